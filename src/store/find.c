/* Which results directories a word of the command line means. */
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_summary(const char *dir)
{
    struct sq_buf path = {0};
    struct stat st;
    sq_buf_printf(&path, "%s/summary.json", dir);
    bool there = !path.err && stat(path.text, &st) == 0;
    sq_buf_free(&path);
    return there;
}

static int add(struct sq_store_dirs *dirs, const char *dir, char *why)
{
    if (dirs->n == SQ_STORE_RUNS_MAX) {
        snprintf(why, SQ_STORE_WHY_MAX, "%.300s: more than %d runs of one side", dir,
                 SQ_STORE_RUNS_MAX);
        return SQ_ERR_INVALID;
    }
    char *copy = sq_strdup(dir);
    if (!copy) {
        snprintf(why, SQ_STORE_WHY_MAX, "no memory");
        return SQ_ERR_NOMEM;
    }
    dirs->dirs[dirs->n++] = copy;
    return 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A folder of results directories. A folder without a summary is a run that was killed, and would
 * be missed in silence: it is refused. */
static int add_within(struct sq_store_dirs *dirs, const char *dir, char *why)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, visible, versionsort);
    int err = 0;
    size_t before = dirs->n;
    if (n < 0) {
        snprintf(why, SQ_STORE_WHY_MAX, "%.300s: %s", dir, strerror(errno));
        return SQ_ERR_IO;
    }
    for (int i = 0; i < n; i++) {
        struct sq_buf path = {0};
        sq_buf_printf(&path, "%s/%s", dir, entries[i]->d_name);
        bool folder = !err && !path.err && is_folder(path.text);
        if (!err && path.err) {
            err = path.err;
            snprintf(why, SQ_STORE_WHY_MAX, "no memory");
        } else if (folder && has_summary(path.text)) {
            err = add(dirs, path.text, why);
        } else if (folder) {
            err = SQ_ERR_INVALID;
            snprintf(why, SQ_STORE_WHY_MAX,
                     "%.300s: expected a results directory, or a folder of nothing else; "
                     "%.200s has no summary.json in it (a run that was killed?)",
                     dir, entries[i]->d_name);
        }
        sq_buf_free(&path);
        free(entries[i]); /* scandir's own allocation */
    }
    free(entries);
    if (!err && dirs->n == before) {
        err = SQ_ERR_INVALID;
        snprintf(why, SQ_STORE_WHY_MAX,
                 "%.300s: expected a results directory of squall run, with its summary.json, or a "
                 "folder of several",
                 dir);
    }
    return err;
}

static int add_word(struct sq_store_dirs *dirs, const char *word, char *why)
{
    struct stat st;
    if (stat(word, &st) != 0) {
        snprintf(why, SQ_STORE_WHY_MAX, "%.300s: %s: expected a results directory of squall run",
                 word[0] ? word : "''", word[0] ? strerror(errno) : "no name");
        return SQ_ERR_INVALID;
    }
    if (!S_ISDIR(st.st_mode)) {
        snprintf(why, SQ_STORE_WHY_MAX,
                 "%.300s: is a file: expected the results directory that it lies in", word);
        return SQ_ERR_INVALID;
    }
    return has_summary(word) ? add(dirs, word, why) : add_within(dirs, word, why);
}

int sq_store_find(const char *word, struct sq_store_dirs *ret_dirs,
                  char why[static SQ_STORE_WHY_MAX])
{
    struct sq_store_dirs dirs = {.n = 0};
    struct sq_view rest = sq_view_of(word);
    int err = 0;
    if (is_folder(word) || !strchr(word, ',')) { /* a name may have a comma in it */
        err = add_word(&dirs, word, why);
        rest.at = NULL;
    }
    while (!err && rest.at) {
        struct sq_view one = sq_view_cut(&rest, ',');
        char *name = sq_strndup(one.at, one.len);
        err = name ? add_word(&dirs, name, why) : SQ_ERR_NOMEM;
        sq_free(name);
    }
    if (err) {
        sq_store_dirs_free(&dirs);
        return err;
    }
    *ret_dirs = dirs;
    return 0;
}

void sq_store_dirs_free(struct sq_store_dirs *dirs)
{
    for (size_t i = 0; i < dirs->n; i++) {
        sq_free(dirs->dirs[i]);
    }
    dirs->n = 0;
}

int sq_store_load(const char *word, struct sq_store_runs *runs, char why[static SQ_STORE_WHY_MAX])
{
    struct sq_store_dirs dirs;
    size_t before = runs->n;
    int err = sq_store_find(word, &dirs, why);
    if (err) {
        return err;
    }
    for (size_t i = 0; !err && i < dirs.n; i++) {
        struct sq_stored_run *run = NULL;
        if (runs->n == SQ_STORE_RUNS_MAX) {
            snprintf(why, SQ_STORE_WHY_MAX, "%.300s: more than %d runs of one side", dirs.dirs[i],
                     SQ_STORE_RUNS_MAX);
            err = SQ_ERR_INVALID;
        } else {
            err = sq_store_open(dirs.dirs[i], &run, why);
        }
        if (!err) {
            runs->runs[runs->n++] = run;
        }
    }
    while (err && runs->n > before) {
        sq_store_close(runs->runs[--runs->n]);
    }
    sq_store_dirs_free(&dirs);
    return err;
}

void sq_store_runs_free(struct sq_store_runs *runs)
{
    while (runs->n > 0) {
        sq_store_close(runs->runs[--runs->n]);
    }
}
