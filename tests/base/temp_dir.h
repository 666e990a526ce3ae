/* For tests that write files: a folder of its own for each, and it is gone afterwards. */
#ifndef TESTS_BASE_TEMP_DIR_H
#define TESTS_BASE_TEMP_DIR_H

#include <stdio.h>
#include <stdlib.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/squall-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command); /* NOLINT(cert-env33-c): of the test's own making */
}

/* The path of a name in it; a few are valid at a time. */
static const char *in(const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

#endif
