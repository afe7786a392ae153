/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target over files and folders of inputs, for builds without
 * libFuzzer: what fuzzing once found is tested for ever, with any compiler.
 *
 * Never here: anything of a target.
 * Invariant: an input lies in memory of exactly its length, so that tools see
 * a read beyond it.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int
replay_file(const char *path, size_t len)
{
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	FILE *file = fopen(path, "rb");
	int failed = 1;

	if (bytes == NULL || file == NULL ||
	    fread(bytes, 1, len, file) != len) {
		(void)fprintf(stderr, "%s: cannot be read\n", path);
		goto out;
	}
	failed = LLVMFuzzerTestOneInput(bytes, len);
out:
	if (file != NULL)
		(void)fclose(file);
	free(bytes);
	return failed;
}

static int replay(const char *path, size_t *count);

static int
replay_folder(const char *path, size_t *count)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char inner[4096];
	int failed = 0;

	if (folder == NULL)
		return 1;
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(
		    inner, sizeof(inner), "%s/%s", path, entry->d_name);
		failed |= replay(inner, count);
	}
	(void)closedir(folder);
	return failed;
}

static int
replay(const char *path, size_t *count)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		perror(path);
		return 1;
	}
	if (S_ISDIR(st.st_mode))
		return replay_folder(path, count);
	(*count)++;
	return replay_file(path, (size_t)st.st_size);
}

int
main(int argc, char **argv)
{
	size_t count = 0;
	int i, failed = 0;

	for (i = 1; i < argc; i++)
		failed |= replay(argv[i], &count);
	(void)printf("%zu inputs\n", count);
	if (count == 0)
		(void)fprintf(stderr, "nothing to replay: give files\n");
	return failed || count == 0;
}
