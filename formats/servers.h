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
extern const struct format format_lighttpd, format_lighttpd_gnutls,
    format_lighttpd_nss;
extern const struct format format_apache;
extern const struct format format_h2o;
extern const struct format format_trafficserver;
extern const struct format format_nghttpx, format_nghttpx48;
extern const struct format format_dnsdist;
extern const struct format format_unbound;
extern const struct format format_envoy;
extern const struct format format_stunnel;
extern const struct format format_knot_resolver;
extern const struct format format_ring;

#endif
