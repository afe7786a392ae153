/* SPDX-License-Identifier: ISC */
/*
 * Runs the adapter contract: every point, in every version a library speaks.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

#define LIBRARIES_MAX 4
#define POINTS_MAX    32 /* in one list */
#define NAME_LEN      160

static int
start(void **state)
{
	return farm_start(*state);
}

static int
stop(void **state)
{
	farm_stop(*state);
	return 0;
}

/* "an_old_ticket" becomes "OpenSSL, TLS 1.3: an old ticket". */
static char *
sentence(const struct farm *farm, const char *says)
{
	char *name = malloc(NAME_LEN), *p;

	if (name == NULL)
		abort();
	(void)snprintf(name, NAME_LEN, "%s, TLS 1.%c: %s", farm->library->name,
	    farm->version == CONTRACT_TLS12 ? '2' : '3', says);
	for (p = name; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return name;
}

static bool
applies(const struct farm *farm, const struct point *point)
{
	return !cannot(farm, point->unless) &&
	       (point->only_if == 0 || cannot(farm, point->only_if));
}

static size_t
add(struct farm *farm, const struct point *points, struct CMUnitTest *tests)
{
	size_t n = 0;

	for (; points->says != NULL; points++) {
		if (n == POINTS_MAX)
			abort();
		if (!applies(farm, points))
			continue;
		tests[n].name = sentence(farm, points->says);
		tests[n].test_func = points->test;
		tests[n].setup_func = start;
		tests[n].teardown_func = stop;
		tests[n].initial_state = farm;
		n++;
	}
	return n;
}

/* Where `cannot` does not rule that version out. */
static size_t
add_version(struct farm *farm, const struct contract_library *library,
    int version, const struct point *const *lists, struct CMUnitTest *tests)
{
	size_t n = 0;

	if (farm_open(farm, library, version) < 0)
		abort();
	if (cannot(farm, version == CONTRACT_TLS12 ? CONTRACT_NO_TLS12
	                                           : CONTRACT_NO_TLS13))
		return 0;
	for (; *lists != NULL; lists++)
		n += add(farm, *lists, tests + n);
	return n;
}

static int
run(const struct contract_library *libraries, size_t count,
    const struct point *const *lists)
{
	struct CMUnitTest *tests;
	struct farm farms[2 * LIBRARIES_MAX];
	size_t i, n = 0;
	int failed;

	(void)signal(SIGPIPE, SIG_IGN);
	tests = calloc(2 * LIBRARIES_MAX * 5 * POINTS_MAX, sizeof(*tests));
	if (tests == NULL || count > LIBRARIES_MAX)
		abort();
	for (i = 0; i < count; i++) {
		n += add_version(&farms[2 * i], &libraries[i], CONTRACT_TLS12,
		    lists, tests + n);
		n += add_version(&farms[2 * i + 1], &libraries[i],
		    CONTRACT_TLS13, lists, tests + n);
	}
	failed =
	    _cmocka_run_group_tests(libraries[0].name, tests, n, NULL, NULL);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	for (i = 0; i < 2 * count; i++)
		farm_close(&farms[i]);
	free(tests);
	return failed;
}

int
contract_main(const struct contract_library *library, int argc, char **argv)
{
	static const struct point *const lists[] = {
	    ticket_points,
	    refusal_points,
	    time_points,
	    host_points,
	    storm_points,
	    NULL,
	};

	if (argc == 7 && strcmp(argv[1], "--serve") == 0) {
		(void)signal(SIGPIPE, SIG_IGN);
		farm_serve(library, argv + 2);
	}
	return run(library, 1, lists);
}

int
contract_lists(
    const struct contract_library *library, const struct point *const *lists)
{
	return run(library, 1, lists);
}

int
contract_points(const struct contract_library *libraries, size_t count,
    const struct point *points)
{
	const struct point *const lists[] = {points, NULL};

	return run(libraries, count, lists);
}
