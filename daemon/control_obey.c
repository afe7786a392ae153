/* SPDX-License-Identifier: ISC */
/* What is asked for at the control socket, carried out; see control.h. */
#include <stdio.h>

#include "control_client.h"
#include "loop.h"
#include "node.h"

static void
obey_change(struct client *client, const struct request *request)
{
	struct loop *loop = client->control->loop;
	struct rotate *rotate = &loop->rotate;
	bool moved = true;
	int64_t lead = 0;
	enum stek_err err;

	if (request->what == REQUEST_ROTATE) {
		err = rotate_ahead(rotate, request->at_once, &moved);
		lead = request->at_once ? 0 : loop->conf->policy.lead;
	} else if (request->what == REQUEST_REKEY) {
		err = rotate_rekey(rotate);
	} else {
		err =
		    rotate_revoke(rotate, request->all ? NULL : request->name);
	}
	if (err != STEK_OK) {
		control_refuse(client, stek_strerror(err));
		return;
	}
	control_say_head(client, lead, moved, NULL);
	control_await_targets(client);
}

static void
refuse_for(struct client *client, const char *what, const char *why)
{
	char text[CONF_WHY_LEN + 128];

	(void)snprintf(
	    text, sizeof(text), "%s; nothing was changed: %.900s", what, why);
	control_refuse(client, text);
}

/* False: it has been refused. */
static bool
is_possible(struct client *client, const struct request *request)
{
	struct loop *loop = client->control->loop;

	if (!loop->conf->mint)
		control_refuse(client,
		    "this host only follows its store (mint = false); ask the "
		    "host that makes the keys");
	else if (request->what == REQUEST_REVOKE && !request->all &&
	         stek_set_find(loop->rotate.set, request->name) == NULL)
		control_refuse(client, "the farm has no key of that name; "
		                       "nothing was changed");
	else if (request->what == REQUEST_REKEY &&
	         loop->rotate.farm_keys.next_why[0] != '\0')
		refuse_for(client, "the next farm key cannot be used",
		    loop->rotate.farm_keys.next_why);
	else if (request->what == REQUEST_REKEY &&
	         loop->rotate.farm_keys.next == NULL)
		control_refuse(client,
		    "this stekd has no next farm key: put it where "
		    "\"stek rekey --new\" does, and restart stekd; nothing was "
		    "changed");
	else if (loop->rotate.set->count == 0 && loop->rotate.node != NULL &&
	         loop->rotate.node->why[0] != '\0')
		refuse_for(client,
		    "this host has no keys of the farm yet; ask "
		    "another",
		    loop->rotate.node->why);
	else if (loop->rotate.set->count == 0)
		control_refuse(
		    client, "there are no keys yet; nothing was changed");
	else
		return true;
	return false;
}

void
control_obey(struct client *client, const struct request *request)
{
	struct loop *loop = client->control->loop;

	if (loop->rotate.node != NULL && control_obey_farm(client, request))
		return;
	if (request->what == REQUEST_STATUS)
		control_end(client, status_object(loop));
	else if (request->what == REQUEST_FORGET)
		control_refuse(client, "this host's store is a folder: there "
		                       "are no nodes");
	else if (!is_possible(client, request))
		return;
	else if (loop->rotate.node != NULL)
		control_wish(client, request);
	else
		obey_change(client, request);
}
