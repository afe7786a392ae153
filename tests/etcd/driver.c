/* SPDX-License-Identifier: ISC */
/*
 * One store "etcd:", or many, moved by lines on its standard input:
 *
 *	read | list | count | close
 *	swap REVISION TEXT
 *	fill REVISION LENGTH	swap, with that many bytes
 *	tell TEXT
 *	ask NODE
 *	forget NODE
 *	closein KIND	close the first from within the next callback of a kind
 *
 * What it tells is written as one JSON object a line.  The password comes
 * from the first line of a file.
 *
 * usage: driver [-a CA] [-c CERT] [-k KEY] [-u USER] [-p FILE] [-n COUNT]
 *	PREFIX NODE ENDPOINT...
 *
 * Never here: expectations.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include <daemon/clock.h>
#include <daemon/store_etcd.h>

/* What closes the first store, and the store; NULL: nothing. */
static char *close_in;
static struct store_etcd *closing;

struct driver {
	struct event_base *base;
	struct store_etcd **all, **stores; /* without the one being closed */
	size_t count;
};

static void
say(json_t *line)
{
	const char *kind = json_string_value(json_object_get(line, "told"));

	if (close_in != NULL && strcmp(kind, close_in) == 0) {
		store_etcd_close(closing);
		free(close_in);
		close_in = NULL;
		(void)json_object_set_new(line, "closed", json_true());
	}
	(void)json_object_set_new(line, "ms", json_integer(clock_ms()));
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(line);
}

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	json_t *value = bytes == NULL ? json_null()
	                              : json_stringn((const char *)bytes, len);

	if (value == NULL)
		value = json_string("no text");
	say(json_pack("{s:s, s:i, s:o, s:I, s:I}", "told", "found", "store",
	    *(int *)arg, "value", value, "len", (json_int_t)len, "revision",
	    (json_int_t)revision));
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	say(json_pack("{s:s, s:i, s:s, s:b, s:s}", "told", "state", "store",
	    *(int *)arg, "state", state == STORE_LIVE ? "live" : "stale",
	    "rollback", rollback, "why", why));
}

static void
on_swapped(void *arg, enum store_swapped how, const char *why)
{
	static const char *const names[] = {[STORE_SWAPPED] = "swapped",
	    [STORE_CONFLICTED] = "conflict",
	    [STORE_REFUSED] = "denied",
	    [STORE_UNKNOWN] = "unknown"};

	say(json_pack("{s:s, s:i, s:s, s:s}", "told", "swapped", "store",
	    *(int *)arg, "how", names[how], "why", why));
}

static void
on_untold(void *arg, const char *why)
{
	say(json_pack("{s:s, s:i, s:s}", "told", "untold", "store", *(int *)arg,
	    "why", why));
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	json_t *all = json_array();
	size_t i;

	for (i = 0; nodes != NULL && i < count; i++)
		(void)json_array_append_new(
		    all, json_pack("{s:s, s:b, s:s%}", "name", nodes[i].name,
		             "live", nodes[i].live, "entry",
		             (const char *)nodes[i].entry, nodes[i].len));
	say(json_pack("{s:s, s:i, s:o, s:b, s:s}", "told", "nodes", "store",
	    *(int *)arg, "nodes", all, "had", nodes != NULL, "why", why));
}

static void
on_asked(void *arg, const char *node, bool known, bool live)
{
	say(json_pack("{s:s, s:i, s:s, s:b, s:b}", "told", "asked", "store",
	    *(int *)arg, "node", node, "known", known, "live", live));
}

static void
on_rights(void *arg, enum store_rights rights)
{
	static const char *const names[] = {[STORE_RIGHTS_UNKNOWN] = "unknown",
	    [STORE_RIGHTS_OPEN] = "open",
	    [STORE_RIGHTS_ALL] = "all",
	    [STORE_RIGHTS_OWN] = "own"};

	say(json_pack("{s:s, s:i, s:s}", "told", "rights", "store", *(int *)arg,
	    "rights", names[rights]));
}

static void
on_clock(void *arg, int64_t seconds)
{
	say(json_pack("{s:s, s:i, s:I}", "told", "clock", "store", *(int *)arg,
	    "seconds", (json_int_t)seconds));
}

static void
say_counts(const struct driver *driver)
{
	struct store_etcd_counts sum = {0}, one;
	struct rusage usage;
	size_t i;

	for (i = 0; i < driver->count; i++) {
		store_etcd_count(driver->stores[i], &one);
		sum.calls += one.calls;
		sum.failures += one.failures;
		sum.events += one.events;
		sum.bytes_in += one.bytes_in;
		sum.bytes_out += one.bytes_out;
		sum.connects += one.connects;
	}
	(void)getrusage(RUSAGE_SELF, &usage);
	say(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "told",
	    "counts", "calls", (json_int_t)sum.calls, "failures",
	    (json_int_t)sum.failures, "events", (json_int_t)sum.events,
	    "bytes_in", (json_int_t)sum.bytes_in, "bytes_out",
	    (json_int_t)sum.bytes_out, "connects", (json_int_t)sum.connects,
	    "rss_kb", (json_int_t)usage.ru_maxrss, "cpu_ms",
	    (json_int_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	        (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000));
}

static void
swap(struct store_etcd *store, char *words, bool fill)
{
	char *text, *filled = NULL;
	int64_t revision = strtoll(words, &text, 10);
	size_t len;

	text += *text == ' ';
	len = strlen(text);
	if (fill) {
		len = strtoul(text, NULL, 10);
		text = filled = malloc(len + 1);
		if (filled == NULL)
			abort();
		memset(filled, 'x', len);
	}
	if (!store_etcd_swap(store, revision, (const uint8_t *)text, len))
		say(json_pack("{s:s}", "told", "busy"));
	free(filled);
}

static void
command_each(struct driver *driver, char *line)
{
	struct store_etcd *store;
	size_t i;

	for (i = 0; i < driver->count; i++) {
		store = driver->stores[i];
		if (strcmp(line, "read") == 0)
			store_etcd_read(store);
		else if (strcmp(line, "list") == 0)
			store_etcd_list(store);
		else if (strncmp(line, "swap ", 5) == 0)
			swap(store, line + 5, false);
		else if (strncmp(line, "fill ", 5) == 0)
			swap(store, line + 5, true);
		else if (strncmp(line, "tell ", 5) == 0)
			store_etcd_tell(
			    store, (const uint8_t *)line + 5, strlen(line + 5));
		else if (strncmp(line, "ask ", 4) == 0)
			store_etcd_ask(store, line + 4);
		else if (strncmp(line, "forget ", 7) == 0)
			store_etcd_forget(store, line + 7);
	}
}

static void
on_input(struct bufferevent *input, void *arg)
{
	struct evbuffer *buffer = bufferevent_get_input(input);
	struct driver *driver = arg;
	char *line;

	while (
	    (line = evbuffer_readln(buffer, NULL, EVBUFFER_EOL_LF)) != NULL) {
		if (strcmp(line, "close") == 0)
			(void)event_base_loopbreak(driver->base);
		else if (strcmp(line, "count") == 0)
			say_counts(driver);
		else if (strncmp(line, "closein ", 8) == 0) {
			close_in = strdup(line + 8);
			closing = driver->stores[0];
			driver->count--;
			driver->stores++;
		} else
			command_each(driver, line);
		free(line);
	}
}

static void
on_input_end(struct bufferevent *input, short what, void *arg)
{
	struct driver *driver = arg;

	(void)input;
	(void)what;
	(void)event_base_loopbreak(driver->base);
}

static void
read_password(const char *path, char *password, int size)
{
	FILE *file = fopen(path, "r");

	if (file == NULL || fgets(password, size, file) == NULL) {
		perror(path);
		exit(1);
	}
	(void)fclose(file);
	password[strcspn(password, "\n")] = '\0';
}

static void
open_all(struct driver *driver, struct store_etcd_conf *conf, int *numbers)
{
	static const struct store_told told = {.found = on_found,
	    .state = on_state,
	    .swapped = on_swapped,
	    .untold = on_untold,
	    .nodes = on_nodes,
	    .asked = on_asked,
	    .rights = on_rights,
	    .clock = on_clock};
	const char *node = conf->node;
	char name[STORE_NODE_MAX + 1];
	size_t i;

	for (i = 0; i < driver->count; i++) {
		numbers[i] = (int)i;
		(void)snprintf(name, sizeof(name), "%s-%zu", node, i);
		conf->node = driver->count > 1 ? name : node;
		driver->stores[i] =
		    store_etcd_open(driver->base, conf, &told, &numbers[i]);
		if (driver->stores[i] == NULL)
			abort();
	}
}

int
main(int argc, char **argv)
{
	struct driver driver = {.count = 1};
	struct store_etcd_conf conf = {
	    .ca = "", .cert = "", .key = "", .user = "", .password = ""};
	struct bufferevent *input;
	char password[256] = "";
	size_t i;
	int *numbers;
	int option;

	while ((option = getopt(argc, argv, "a:c:k:u:p:n:")) >= 0) {
		if (option == 'a')
			conf.ca = optarg;
		else if (option == 'c')
			conf.cert = optarg;
		else if (option == 'k')
			conf.key = optarg;
		else if (option == 'u')
			conf.user = optarg;
		else if (option == 'p')
			read_password(optarg, password, sizeof(password));
		else if (option == 'n')
			driver.count = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind < 3)
		return 2;
	conf.password = password;
	conf.prefix = argv[optind];
	conf.node = argv[optind + 1];
	conf.endpoints = (const char *const *)argv + optind + 2;
	conf.endpoint_count = (size_t)(argc - optind - 2);
	driver.base = event_base_new();
	driver.all = driver.stores =
	    calloc(driver.count, sizeof(struct store_etcd *));
	numbers = calloc(driver.count, sizeof(int));
	if (driver.base == NULL || driver.stores == NULL || numbers == NULL)
		abort();
	open_all(&driver, &conf, numbers);
	input = bufferevent_socket_new(driver.base, STDIN_FILENO, 0);
	if (input == NULL)
		abort();
	bufferevent_setcb(input, on_input, NULL, on_input_end, &driver);
	(void)bufferevent_enable(input, EV_READ);
	(void)event_base_dispatch(driver.base);
	for (i = 0; i < driver.count; i++)
		store_etcd_close(driver.stores[i]);
	bufferevent_free(input);
	event_base_free(driver.base);
	free(driver.all);
	free(close_in);
	free(numbers);
	return 0;
}
