/* Where the clips that ship with Squall lie. */
#include "media/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* True, and the path written, if FOLDER SUB/clips/NAME.sqclip can be read. */
static bool try_folder(const char *folder, const char *sub, const char *name, char *out)
{
    int n = snprintf(out, SQ_CLIP_PATH_MAX, "%s%s/clips/%s.sqclip", folder, sub, name);
    return n > 0 && n < SQ_CLIP_PATH_MAX && access(out, R_OK) == 0;
}

/* The folder of the running program, without the last slash. */
static bool program_folder(char *out)
{
    ssize_t n = readlink("/proc/self/exe", out, SQ_CLIP_PATH_MAX - 1);
    if (n <= 0) {
        return false;
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    return true;
}

static bool search(const char *name, char *out)
{
    const char *set = getenv("SQUALL_SHARE"); /* NOLINT(concurrency-mt-unsafe) */
    if (set && set[0] != '\0') {
        return try_folder(set, "", name, out);
    }
    char folder[SQ_CLIP_PATH_MAX];
    if (program_folder(folder) && (try_folder(folder, "/../share/squall", name, out) ||
                                   try_folder(folder, "/../share", name, out))) {
        return true;
    }
    return try_folder(".", "/share", name, out) ||
           try_folder("/usr/local/share", "/squall", name, out) ||
           try_folder("/usr/share", "/squall", name, out);
}

int sq_clip_builtin(const char *name, char ret_path[static SQ_CLIP_PATH_MAX])
{
    char path[SQ_CLIP_PATH_MAX];
    if (name[0] == '\0') {
        return SQ_ERR_NOTFOUND;
    }
    if (strpbrk(name, "/.")) {
        if (strlen(name) >= SQ_CLIP_PATH_MAX || access(name, R_OK) != 0) {
            return SQ_ERR_NOTFOUND;
        }
        memcpy(ret_path, name, strlen(name) + 1);
        return 0;
    }
    if (!search(name, path)) {
        return SQ_ERR_NOTFOUND;
    }
    memcpy(ret_path, path, strlen(path) + 1);
    return 0;
}
