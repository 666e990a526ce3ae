#include "cli/run_command.h"

#include "base/mem.h"
#include "base/str.h"
#include "signal/target.h"
#include <stdbool.h>
#include <string.h>

/* Whether a word names an option whose value is a secret; *ret_at is where "=" would stand. */
static bool names_secret(const char *word, size_t *ret_at)
{
    static const char *const names[] = {"--token", "--turn-password", "--turn-secret"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(word, names[i], len) == 0 && (word[len] == '\0' || word[len] == '=')) {
            *ret_at = len;
            return true;
        }
    }
    return false;
}

int sq_run_command(const char *command, const char *target, int argc, char **argv, char **ret_text)
{
    struct sq_buf b = {0};
    sq_buf_puts(&b, command);
    bool hidden = false;
    for (int i = 0; i < argc; i++) {
        size_t at = 0;
        bool secret = names_secret(argv[i], &at);
        if (hidden) {
            sq_buf_puts(&b, " ***");
        } else if (secret && argv[i][at] == '=') {
            sq_buf_printf(&b, " %.*s=***", (int)at, argv[i]);
        } else {
            bool url = argv[i] == target || strstr(argv[i], "://");
            char *shown = url ? sq_target_shown(argv[i]) : sq_strdup(argv[i]); /* or secrets show */
            b.err = shown ? b.err : SQ_ERR_NOMEM;
            sq_buf_printf(&b, strpbrk(argv[i], " '\"<>&|") ? " '%s'" : " %s", shown ? shown : "");
            sq_free(shown);
        }
        hidden = !hidden && secret && argv[i][at] == '\0';
    }
    char *text = sq_buf_take(&b);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    sq_free(*ret_text);
    *ret_text = text;
    return 0;
}
