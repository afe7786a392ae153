/* SPDX-License-Identifier: ISC */
/*
 * The configuration: conf_load() on any bytes.
 *
 * Never here: what a good configuration looks like (tests/cli, tests/unit).
 * Invariant: whatever the bytes, a reason or a consistent struct conf comes
 * out, as conf.h says.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daemon/conf.h>
#include <daemon/farm_key.h>

#include "fuzz.h"

/* As root, stekd's default user would have to exist. */
static const char user[] = "user = \"root\"\n";

static void
expect_target(const struct conf *conf, size_t i)
{
	const struct conf_target *target = &conf->targets[i];
	size_t k;

	FUZZ_EXPECT(target->name[0] != '\0' && target->name[0] != '.');
	FUZZ_EXPECT(strchr(target->name, '/') == NULL);
	FUZZ_EXPECT(target->format != NULL);
	FUZZ_EXPECT((target->format->flags & FORMAT_REFUSED) == 0);
	FUZZ_EXPECT(target->path[0] == '/');
	FUZZ_EXPECT(strlen(target->path) < FORMAT_PATH_MAX);
	FUZZ_EXPECT((target->mode & ~(mode_t)0750) == 0);
	FUZZ_EXPECT(target->reload != NULL && target->verify != NULL);
	FUZZ_EXPECT(strlen(target->scope) <= STEK_SCOPE_MAX);
	for (k = 0; k < i; k++) {
		FUZZ_EXPECT(strcmp(target->path, conf->targets[k].path) != 0);
		FUZZ_EXPECT(strcmp(target->name, conf->targets[k].name) != 0);
	}
}

static void
expect_consistent(const struct conf *conf)
{
	struct farm_key_from from;
	size_t i;

	FUZZ_EXPECT(conf->farm[0] != '\0');
	FUZZ_EXPECT(strlen(conf->farm) <= STEK_FARM_MAX);
	FUZZ_EXPECT(strchr(conf->farm, '/') == NULL && conf->farm[0] != '.');
	FUZZ_EXPECT(conf->store_dir[0] == '/');
	from = farm_key_from(conf->farm_key);
	if (from.credential != NULL)
		FUZZ_EXPECT(farm_key_is_name(from.credential));
	else
		FUZZ_EXPECT(from.path[0] == '/');
	FUZZ_EXPECT(conf->control[0] == '/');
	FUZZ_EXPECT(conf->user != NULL && conf->metrics != NULL);
	FUZZ_EXPECT(stek_policy_check(&conf->policy) == STEK_OK);
	FUZZ_EXPECT(conf->count <= CONF_TARGETS_MAX);
	for (i = 0; i < conf->count; i++)
		expect_target(conf, i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char path[64], why[CONF_WHY_LEN];
	struct conf *conf;
	int fd;

	fd = memfd_create("conf", MFD_CLOEXEC);
	FUZZ_EXPECT(fd >= 0);
	FUZZ_EXPECT(write(fd, user, sizeof(user) - 1) > 0);
	FUZZ_EXPECT(write(fd, bytes, len) == (ssize_t)len);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(why, 'x', sizeof(why));
	conf = conf_load(path, why);
	if (conf != NULL) {
		expect_consistent(conf);
	} else {
		FUZZ_EXPECT(memchr(why, '\0', sizeof(why)) != NULL);
		FUZZ_EXPECT(strncmp(why, path, strlen(path)) == 0);
		FUZZ_EXPECT(strlen(why) > strlen(path) + 2);
	}
	conf_free(conf);
	(void)close(fd);
	return 0;
}
