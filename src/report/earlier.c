/* What an earlier run has left in the results directory. */
#include "base/place.h"
#include "report/report.h"
#include "report/report_int.h"
#include "run/record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where to look and for which names, and what is found there. */
struct sweep {
    const char *dir;
    const struct stat *keep; /* nullable */
    bool deletes;            /* else it only looks for `keep` */
    struct sq_report_error *error;
};

static int fail_at(const struct sweep *s, const char *what, const char *folder, const char *name)
{
    char path[SQ_PLACE_PATH_MAX + 256 + 2];
    int why = errno;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    errno = why;
    return sq_report_fail_io(s->error, what, path);
}

/* One name in an open folder. */
static int sweep_name(const struct sweep *s, const char *folder, int at, const char *name,
                      bool *ret_deleted)
{
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return 0; /* a link or a FIFO is written to as it is */
    }
    if (s->keep && st.st_dev == s->keep->st_dev && st.st_ino == s->keep->st_ino) {
        if (s->error) {
            snprintf(
                s->error->message, sizeof(s->error->message),
                "%.250s/%.120s is what the run is to send, and would be deleted with the results "
                "of an earlier run",
                folder, name);
        }
        return SQ_ERR_INVALID;
    }
    if (s->deletes && unlinkat(at, name, 0) != 0 && errno != ENOENT) {
        return fail_at(s, "delete", folder, name);
    }
    *ret_deleted = s->deletes;
    return 0;
}

static int sweep_names(const struct sweep *s, const char *folder, DIR *open_folder,
                       const regex_t *names)
{
    const struct dirent *entry;
    bool any = false;
    int err = 0;
    while (!err && (entry = readdir(open_folder))) {
        if (regexec(names, entry->d_name, 0, NULL, 0) == 0) {
            err = sweep_name(s, folder, dirfd(open_folder), entry->d_name, &any);
        }
    }
    if (!err && any && strcmp(folder, s->dir) != 0) {
        (void)rmdir(folder); /* unless something else is in it */
    }
    return err;
}

static int sweep_folder(const struct sweep *s, const char *within, const char *pattern)
{
    char folder[SQ_PLACE_PATH_MAX];
    regex_t names;
    int n = snprintf(folder, sizeof(folder), "%s%s", s->dir, within);
    DIR *open_folder = n > 0 && (size_t)n < sizeof(folder) ? opendir(folder) : NULL;
    if (!open_folder) { /* what it cannot read it cannot have written */
        return 0;
    }
    int err = regcomp(&names, pattern, REG_EXTENDED | REG_NOSUB) == 0 ? 0 : SQ_ERR_NOMEM;
    if (err) {
        errno = ENOMEM;
        (void)sq_report_fail_io(s->error, "look through", folder);
    } else {
        err = sweep_names(s, folder, open_folder, &names);
        regfree(&names);
    }
    closedir(open_folder);
    return err;
}

static int sweep(const struct sweep *s)
{
    int err = sweep_folder(s, "/" SQ_RECORD_DIR, "^" SQ_RECORD_NAMES "$");
    err = err ? err : sweep_folder(s, "/" SQ_REPORT_DUMP_DIR, "^" SQ_REPORT_DUMP_NAMES "$");
    return err ? err : sweep_folder(s, "", "^" SQ_REPORT_NAMES "$");
}

static int take(const char *dir, int *ret_lock, struct sq_report_error *error)
{
    char process[32] = "";
    pid_t holder = 0;
    int err = sq_place_lock(dir, ret_lock, &holder);
    if (err != SQ_ERR_STATE) {
        return err ? sq_report_fail_io(error, "open the folder", dir) : 0;
    }
    if (holder > 0) {
        snprintf(process, sizeof(process), ", process %d,", (int)holder);
    }
    if (error) {
        snprintf(error->message, sizeof(error->message),
                 "another run%s writes its results into %.350s: wait for its end, or give another "
                 "folder",
                 process, dir);
    }
    return SQ_ERR_INVALID;
}

int sq_report_begin(const char *dir, const char *keep, int *ret_lock,
                    struct sq_report_error *ret_error)
{
    char failed[SQ_PLACE_PATH_MAX];
    struct stat kept;
    struct sweep s = {.dir = dir, .error = ret_error};
    int lock = -1;
    if (sq_place_make_folders(dir, failed) != 0) {
        return sq_report_fail_io(ret_error, "make the folder", failed);
    }
    int err = take(dir, &lock, ret_error);
    if (err) {
        return err;
    }
    if (keep && stat(keep, &kept) == 0) {
        s.keep = &kept;
        err = sweep(&s);
    }
    s.deletes = true;
    err = err ? err : sweep(&s);
    if (!err) {
        *ret_lock = lock;
    } else if (lock >= 0) {
        close(lock);
    }
    return err;
}
