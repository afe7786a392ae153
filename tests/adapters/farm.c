/* SPDX-License-Identifier: ISC */
/*
 * Servers, processes and keys for the adapter contract.
 *
 * Never here: what is expected of an adapter; a failed assertion in here
 * means that the machine, and not the adapter, let the test down.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "farm.h"

struct serving {
	const struct contract_library *library;
	void *server;
	int fd;
};

static bool
write_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (f == NULL)
		return false;
	ok = cert != NULL
	         ? PEM_write_X509(f, cert) != 0
	         : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 0;
	return fclose(f) == 0 && ok;
}

static bool
make_certificate(const struct farm *farm)
{
	EVP_PKEY *key =
	    farm->library->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name;
	bool ok = false;

	if (key == NULL || cert == NULL)
		goto out;
	name = X509_get_subject_name(cert);
	ok = X509_set_version(cert, 2) &&
	     ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
	     X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	         (const unsigned char *)"a.example", -1, -1, 0) &&
	     X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
	     X509_sign(cert, key, EVP_sha256()) &&
	     write_pem(farm->cert, cert, NULL) &&
	     write_pem(farm->key, NULL, key);
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

int
farm_open(
    struct farm *farm, const struct contract_library *library, int version)
{
	memset(farm, 0, sizeof(*farm));
	farm->library = library;
	farm->version = version;
	strcpy(farm->dir, "/dev/shm/stek-contract-XXXXXX");
	if (mkdtemp(farm->dir) == NULL)
		return -1;
	(void)snprintf(farm->cert, FARM_PATH, "%s/cert.pem", farm->dir);
	(void)snprintf(farm->key, FARM_PATH, "%s/key.pem", farm->dir);
	(void)snprintf(farm->path, FARM_PATH, "%s/ring", farm->dir);
	farm->client = client_new(version);
	return farm->client != NULL && make_certificate(farm) ? 0 : -1;
}

void
farm_close(struct farm *farm)
{
	SSL_CTX_free(farm->client);
	(void)unlink(farm->cert);
	(void)unlink(farm->key);
	(void)rmdir(farm->dir);
}

int
farm_start(struct farm *farm)
{
	if (stek_ring_create(farm->path, 0600, &farm->ring) != STEK_OK)
		return -1;
	farm->server = farm_server(farm, farm->ring, false);
	return farm->server != NULL ? 0 : -1;
}

void
farm_stop(struct farm *farm)
{
	farm->library->server_free(farm->server);
	stek_ring_close(farm->ring);
	(void)unlink(farm->path);
}

size_t
farm_times(size_t often, size_t seldom)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL ? seldom
	                                                               : often;
}

struct stek_key
farm_key(int64_t from, int64_t until, int64_t open_until)
{
	int64_t now = time(NULL);
	struct stek_key key;

	assert_int_equal(stek_key_mint(&key), STEK_OK);
	key.seal_from = now + from;
	key.seal_until = now + until;
	key.open_until = now + open_until;
	return key;
}

struct stek_key
farm_key_good(void)
{
	return farm_key(-60, 3600, 7200);
}

void
farm_publish(
    struct stek_ring *ring, size_t count, const struct stek_key *const *keys)
{
	struct stek_set *set = stek_set_new();
	size_t i;

	assert_non_null(set);
	for (i = 0; i < count; i++)
		assert_int_equal(stek_set_add(set, keys[i]), STEK_OK);
	assert_int_equal(stek_ring_publish(ring, set), STEK_OK);
	stek_set_free(set);
}

void *
farm_server(const struct farm *farm, const struct stek_ring *ring, bool hosts)
{
	struct contract_server options = {
	    .ring = ring,
	    .version = farm->version,
	    .hosts = hosts,
	    .cert = farm->cert,
	    .key = farm->key,
	};
	void *server = farm->library->server_new(&options);

	assert_non_null(server);
	return server;
}

static void *
serve_one(void *arg)
{
	struct serving *serving = arg;

	serving->library->serve(serving->server, serving->fd);
	(void)close(serving->fd);
	return NULL;
}

void
farm_visit(const struct farm *farm, void *server, const SSL_SESSION *session,
    const char *host, struct visit *visit)
{
	struct serving serving = {.library = farm->library, .server = server};
	pthread_t thread;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	serving.fd = fd[1];
	if (pthread_create(&thread, NULL, serve_one, &serving) != 0)
		abort();
	client_visit(farm->client, fd[0], session, host, visit);
	(void)pthread_join(thread, NULL);
}

static int
listen_at(const struct farm *farm, struct remote *remote)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	static int number;
	int fd;

	(void)snprintf(
	    remote->path, FARM_PATH, "%s/socket%d", farm->dir, number++);
	strcpy(at.sun_path, remote->path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void
serve_all(const struct contract_library *library, void *server, int listening)
{
	int fd;

	for (;;) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0)
			_exit(1);
		library->serve(server, fd);
		(void)close(fd);
	}
}

void
farm_serve(const struct contract_library *library, char **argv)
{
	struct contract_server options = {0};
	struct stek_ring *ring;
	void *server;

	if (stek_ring_open(argv[0], &ring) != STEK_OK)
		_exit(2);
	options.ring = ring;
	options.cert = argv[1];
	options.key = argv[2];
	options.version = atoi(argv[3]);
	server = library->server_new(&options);
	if (server == NULL)
		_exit(3);
	serve_all(library, server, atoi(argv[4]));
}

/* Also when the test fails and does not come to end it. */
static void
end_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(126);
}

void
farm_exec(const struct farm *farm, struct remote *remote)
{
	char version[16], fd[16], self[PATH_MAX] = "";
	int listening = listen_at(farm, remote);

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	(void)snprintf(version, sizeof(version), "%d", farm->version);
	(void)snprintf(fd, sizeof(fd), "%d", listening);
	remote->pid = fork();
	if (remote->pid == 0) {
		end_with_parent();
		(void)execl(self, self, "--serve", farm->path, farm->cert,
		    farm->key, version, fd, NULL);
		_exit(127);
	}
	(void)close(listening);
	assert_true(remote->pid > 0);
}

void
farm_fork(const struct farm *farm, void *server, struct remote *remote)
{
	int listening = listen_at(farm, remote);

	remote->pid = fork();
	if (remote->pid == 0) {
		end_with_parent();
		serve_all(farm->library, server, listening);
	}
	(void)close(listening);
	assert_true(remote->pid > 0);
}

void
remote_stop(struct remote *remote)
{
	(void)kill(remote->pid, SIGKILL);
	(void)waitpid(remote->pid, NULL, 0);
	(void)unlink(remote->path);
}

void
remote_visit(const struct farm *farm, const struct remote *remote,
    const SSL_SESSION *session, struct visit *visit)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, remote->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	client_visit(farm->client, fd, session, NULL, visit);
}
