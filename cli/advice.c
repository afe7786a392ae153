/* SPDX-License-Identifier: ISC */
/*
 * See advice.h.
 */
#include <stdio.h>
#include <string.h>

#include "advice.h"

static const struct advice table[] = {
    {"nginx", "in http{} of nginx.conf", "include @/*.conf;",
        "systemctl try-reload-or-restart nginx", NULL},
    {"nginx48", "in http{} of nginx.conf", "include @/*.conf;",
        "systemctl try-reload-or-restart nginx", NULL},
    {"haproxy", "on each bind line of haproxy.cfg", "tls-ticket-keys @",
        "haproxy:/run/haproxy/admin.sock", NULL},
    {"haproxy48", "on each bind line of haproxy.cfg", "tls-ticket-keys @",
        "haproxy:/run/haproxy/admin.sock", NULL},
    {"lighttpd", "beside ssl.pemfile in lighttpd.conf", "ssl.stek-file = \"@\"",
        "systemctl try-reload-or-restart lighttpd", "www-data"},
    {"apache", "beside SSLCertificateFile", "SSLSessionTicketKeyFile @",
        "systemctl try-reload-or-restart apache2", NULL},
    {"h2o", "at the top level of h2o.conf",
        "ssl-session-resumption: {mode: ticket, ticket-store: file, "
        "ticket-file: @}",
        NULL, "nobody"},
    {"trafficserver", "in records.config",
        "CONFIG proxy.config.ssl.server.ticket_key.filename STRING @",
        "traffic_ctl config reload", "trafficserver"},
    {"nghttpx", "in nghttpx.conf", "include=@/keys.conf",
        "systemctl try-reload-or-restart nghttpx", NULL},
    {"nghttpx48", "in nghttpx.conf", "include=@/keys.conf",
        "systemctl try-reload-or-restart nghttpx", NULL},
    {"dnsdist", "in the options of addTLSLocal() or addDOHLocal()",
        "ticketKeyFile=\"@\", ticketsKeysRotationDelay=0",
        "dnsdist -e 'reloadAllCertificates()'", "_dnsdist"},
    {"unbound", "in unbound.conf", "include: \"@/*.conf\"",
        "systemctl try-restart unbound", NULL},
    {"envoy",
        "as session_ticket_keys_sds_secret_config of the listener's TLS "
        "context",
        "sds_config: {path_config_source: {path: \"@\"}}", NULL, NULL},
    {"stunnel", "in each service of stunnel.conf, not above them",
        "include = FOLDER (with a link to @, and nothing else in it)",
        "signal:HUP:/run/stunnel.pid", NULL},
    {"knot-resolver", "in kresd.conf", "net.tls_sticket_secret_file('@')",
        "systemctl try-restart kresd@1", "knot-resolver"},
    {"ring", "in the server's source, see stek(3)",
        "stek_ring_open(\"@\", &ring)", NULL, NULL},
};

const struct advice *
advice_find(const char *format)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].format, format) == 0)
			return &table[i];
	return NULL;
}

void
advice_line(
    const struct advice *advice, const char *path, char *text, size_t size)
{
	const char *at = strchr(advice->line, '@');

	(void)snprintf(text, size, "%.*s%s%s", (int)(at - advice->line),
	    advice->line, path, at + 1);
}
