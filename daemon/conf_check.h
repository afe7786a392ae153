/* SPDX-License-Identifier: ISC */
/*
 * What each value of the configuration must look like.
 *
 * Never here: libconfuse, what two values say together.
 */
#ifndef STEK_CONF_CHECK_H
#define STEK_CONF_CHECK_H

#include "conf.h"

#define CONF_ADDRESS_MAX 512

/* The options that are checked, as libconfuse names them; NULL: no more. */
const char *conf_check_option(size_t);

/* False: why says what was expected. */
STEK_CHECKED bool conf_check(
    const char *option, const char *value, char why[CONF_WHY_LEN]);

/* Both of a store in etcd; endpoints are what follows "etcd:". */
STEK_CHECKED bool conf_check_endpoints(const char *, char why[CONF_WHY_LEN]);
STEK_CHECKED bool conf_check_prefix(const char *, char why[CONF_WHY_LEN]);

/* HOST:PORT[/SNI], with [::1] for IPv6. */
STEK_CHECKED bool conf_is_address(const char *);

/* Text as what it means; false: it is no such thing. */
STEK_CHECKED bool conf_is_name(const char *, size_t max);
STEK_CHECKED bool conf_parse_time(const char *, int64_t *seconds);
/* A time, or the word, which stands for that many seconds. */
STEK_CHECKED bool conf_parse_span(
    const char *, const char *word, int64_t stands_for, int64_t *seconds);
STEK_CHECKED bool conf_parse_mode(const char *, mode_t *);
STEK_CHECKED bool conf_parse_owner(const char *, uid_t *, gid_t *);

#endif
