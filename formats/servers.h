/* SPDX-License-Identifier: ISC */
/*
 * The formats of every server, for the table in format.c.  What each is
 * stands in the file named after its server.
 *
 * Never here: anything but these names.
 */
#ifndef STEK_SERVERS_H
#define STEK_SERVERS_H

extern const struct format format_nginx, format_nginx48;
extern const struct format format_haproxy, format_haproxy48;

#endif
