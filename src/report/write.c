/* Files: each is written beside its place, synced, and renamed into it. */
#include "report/report.h"

#include "base/io.h"
#include "base/place.h"
#include "base/rand.h"
#include "report/report_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sq_report_fail_io(struct sq_report_error *error, const char *what, const char *path)
{
    int saved = errno;
    if (error) {
        error->saved_errno = saved;
        snprintf(error->message, sizeof(error->message), "cannot %s %.380s: %s", what, path,
                 strerror(saved));
    }
    return SQ_ERR_IO;
}

static int fail_memory(struct sq_report_error *error, const char *path)
{
    if (error) {
        error->saved_errno = ENOMEM;
        snprintf(error->message, sizeof(error->message), "cannot write %.380s: no memory", path);
    }
    return SQ_ERR_NOMEM;
}

static int write_to(int fd, const char *path, const struct sq_buf *content,
                    struct sq_report_error *error)
{
    int err = sq_io_write(fd, content->text, content->len);
    if (!err && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) { /* not a thing of disks */
        err = SQ_ERR_IO;
    }
    return err ? sq_report_fail_io(error, "write", path) : 0;
}

/* The content to a file of that name, at once or not at all; a device or a pipe is written to as it
 * is, and a link to where it leads. */
static int put_file(const char *path, const struct sq_buf *content, struct sq_report_error *error)
{
    struct sq_buf temporary = {0};
    struct sq_place place;
    uint32_t random = 0;
    int fd = -1;
    if (sq_place_find(path, &place) != 0) {
        return sq_report_fail_io(error, "write", path);
    }
    bool file = place.kind == SQ_PLACE_FILE;
    int err = 0;
    sq_rand_secret(&random, sizeof(random));
    sq_buf_printf(&temporary, "%s.%08x.tmp", place.path, (unsigned)random);
    if (content->err || temporary.err) {
        err = fail_memory(error, path);
        goto out;
    }
    if (file) {
        fd = open(temporary.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        err = fd < 0 ? SQ_ERR_IO : 0;
    } else {
        err = sq_place_open(place.path, &fd);
    }
    if (err) {
        err = sq_report_fail_io(error, "write", path);
        goto out;
    }
    err = write_to(fd, path, content, error);
    if (file && !err && rename(temporary.text, place.path) != 0) {
        err = sq_report_fail_io(error, "write", path);
    }
    if (file && err) {
        unlink(temporary.text);
    }
out:
    if (fd >= 0) {
        close(fd);
    }
    sq_buf_free(&temporary);
    return err;
}

static int make_folders(const char *dir, struct sq_report_error *error)
{
    char failed[SQ_PLACE_PATH_MAX];
    return sq_place_make_folders(dir, failed) ? sq_report_fail_io(error, "make the folder", failed)
                                              : 0;
}

void sq_report_render(const struct sq_result *r, enum sq_report_kind kind, struct sq_buf *out)
{
    static const struct sq_report_html_options alone = {.in_directory = false};
    switch (kind) {
    case SQ_REPORT_JSON:
        sq_report_summary(r, out);
        break;
    case SQ_REPORT_JUNIT:
        sq_report_junit(r, out);
        break;
    case SQ_REPORT_HTML:
        sq_report_html(r, &alone, out);
        break;
    case SQ_REPORT_TIMELINE:
        sq_report_timeline_csv(r, out);
        break;
    case SQ_REPORT_PEERS:
        sq_report_peers_csv(r, out);
        break;
    case SQ_REPORT_MARKDOWN:
        sq_report_markdown(r, out);
        break;
    }
}

int sq_report_put(const char *path, const struct sq_buf *content, struct sq_report_error *ret_error)
{
    if (strcmp(path, "-") != 0) {
        return put_file(path, content, ret_error);
    }
    if (content->err) {
        return fail_memory(ret_error, "to standard output");
    }
    /* stdio may hold text of the same stream back */
    int err =
        fflush(stdout) == 0 ? sq_io_write(STDOUT_FILENO, content->text, content->len) : SQ_ERR_IO;
    return err ? sq_report_fail_io(ret_error, "write", "to standard output") : 0;
}

int sq_report_write_file(const struct sq_result *r, enum sq_report_kind kind, const char *path,
                         struct sq_report_error *ret_error)
{
    struct sq_buf content = {0};
    sq_report_render(r, kind, &content);
    int err = sq_report_put(path, &content, ret_error);
    sq_buf_free(&content);
    return err;
}

static int put_in(const char *dir, const char *name, const struct sq_buf *content,
                  struct sq_report_error *error)
{
    struct sq_buf path = {0};
    sq_buf_printf(&path, "%s/%s", dir, name);
    int err = path.err ? fail_memory(error, dir) : put_file(path.text, content, error);
    sq_buf_free(&path);
    return err;
}

/* The first failure is the one that is told, with the number of the others. */
struct failures {
    int err;
    unsigned count;
    struct sq_report_error *first; /* nullable */
};

static void note(struct failures *f, int failed, const struct sq_report_error *error)
{
    if (failed && !f->err && f->first) {
        *f->first = *error;
    }
    f->err = f->err ? f->err : failed;
    f->count += failed != 0;
}

static int told(const struct failures *f)
{
    if (f->count > 1 && f->first) {
        size_t len = strlen(f->first->message);
        snprintf(f->first->message + len, sizeof(f->first->message) - len, " (and %u more file%s)",
                 f->count - 1, f->count == 2 ? "" : "s");
    }
    return f->err;
}

static void write_dumps(const struct sq_result *r, const char *dir, struct failures *failures)
{
    struct sq_report_error error;
    struct sq_buf folder = {0};
    if (r->trace_count == 0) {
        return;
    }
    sq_buf_printf(&folder, "%s/%s", dir, SQ_REPORT_DUMP_DIR);
    int err = folder.err ? fail_memory(&error, dir) : make_folders(folder.text, &error);
    note(failures, err, &error);
    for (size_t i = 0; i < r->trace_count && !err; i++) {
        struct sq_buf name = {0}, content = {0};
        sq_report_dump_name(r, r->traces[i].peer, &name);
        sq_report_render_dump(r, &r->traces[i], &content);
        int failed = name.err ? fail_memory(&error, folder.text)
                              : put_in(folder.text, name.text, &content, &error);
        note(failures, failed, &error);
        sq_buf_free(&name);
        sq_buf_free(&content);
    }
    sq_buf_free(&folder);
}

/* As it lies in a results directory. */
static void render_in(const struct sq_result *r, enum sq_report_kind kind, struct sq_buf *out)
{
    static const struct sq_report_html_options beside = {.in_directory = true};
    if (kind == SQ_REPORT_HTML) {
        sq_report_html(r, &beside, out);
    } else {
        sq_report_render(r, kind, out);
    }
}

static const struct {
    const char *name;
    enum sq_report_kind kind;
} files[] = {
    {"timeline.csv", SQ_REPORT_TIMELINE}, {"peers.csv", SQ_REPORT_PEERS},
    {"junit.xml", SQ_REPORT_JUNIT},       {"report.html", SQ_REPORT_HTML},
    {"summary.json", SQ_REPORT_JSON}, /* last: who waits for it finds the others there */
};
#define FILES (sizeof(files) / sizeof(files[0]))

/* What cannot be written does not keep the rest from being written: where a disk is almost full
 * there may be room for summary.json, and none for the report. */
int sq_report_write(const struct sq_result *r, const char *dir, struct sq_report_error *ret_error)
{
    struct failures failures = {.first = ret_error};
    struct sq_report_error error;
    int err = make_folders(dir, ret_error);
    if (err) {
        return err;
    }
    write_dumps(r, dir, &failures);
    for (size_t i = 0; i < FILES; i++) {
        struct sq_buf content = {0};
        render_in(r, files[i].kind, &content);
        note(&failures, put_in(dir, files[i].name, &content, &error), &error);
        sq_buf_free(&content);
    }
    return told(&failures);
}

/* ---- Anew ---- */

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* On a full disk there is no room for both, and what is no longer true is worth less than nothing:
 * the old one goes. */
static void replace(const char *path, const struct sq_buf *content)
{
    struct sq_place place;
    bool regular = sq_place_find(path, &place) == 0 && is_there(place.path);
    if (regular && put_file(path, content, NULL) != 0 && unlink(place.path) == 0) {
        int err = put_file(path, content, NULL);
        (void)err; /* it is missing then, as others are, and that has been told */
    }
}

void sq_report_rewrite(const struct sq_result *r, enum sq_report_kind kind, const char *dir)
{
    for (size_t i = 0; i < FILES; i++) {
        struct sq_buf path = {0}, content = {0};
        if (files[i].kind == kind) {
            render_in(r, kind, &content);
            sq_buf_printf(&path, "%s/%s", dir, files[i].name);
            if (!path.err) {
                replace(path.text, &content);
            }
        }
        sq_buf_free(&path);
        sq_buf_free(&content);
    }
}

void sq_report_rewrite_file(const struct sq_result *r, enum sq_report_kind kind, const char *path)
{
    struct sq_buf content = {0};
    sq_report_render(r, kind, &content);
    replace(path, &content);
    sq_buf_free(&content);
}
