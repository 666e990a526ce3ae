/* A session description: what was parsed and written parses again and is then written the same; the
 * views of the document lie within it; every typed reader takes every value. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "peer/sdp/sdp.h"
#include <string.h>

static void within(const struct sq_sdp *sdp, struct sq_view v)
{
    volatile char sink = 0;
    for (size_t i = 0; i < v.len; i++) {
        sink = (char)(sink ^ v.at[i]); /* AddressSanitizer looks at each */
    }
    (void)sdp;
}

static void read_section(const struct sq_sdp *sdp, const struct sq_sdp_section *s)
{
    uint64_t number;
    enum sq_sdp_setup setup;
    for (size_t i = 0; i < s->n_lines; i++) {
        const struct sq_sdp_line *line = &s->lines[i];
        within(sdp, line->name);
        within(sdp, line->value);
        struct sq_view rest = line->value;
        for (struct sq_view word = sq_sdp_word(&rest); word.len > 0; word = sq_sdp_word(&rest)) {
            within(sdp, word);
            MUST(!memchr(word.at, ' ', word.len));
        }
        (void)!sq_sdp_parse_setup(line->value, &setup);
        if (line->type == 'a' && line->name.len > 0 && line->name.len < 64) {
            char name[64];
            memcpy(name, line->name.at, line->name.len);
            name[line->name.len] = '\0';
            const struct sq_sdp_line *first = sq_sdp_attr(s, name);
            MUST(strlen(name) < line->name.len || (first && first <= line));
            (void)!sq_sdp_number(s, name, UINT32_MAX, &number);
            within(sdp, sq_sdp_value(s, name));
        }
    }
}

static char *write(const struct sq_sdp *sdp, size_t *ret_len)
{
    struct sq_buf b = {0};
    sq_sdp_write(sdp, &b);
    MUST(b.err == 0);
    *ret_len = b.len;
    return sq_buf_take(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_sdp *sdp = NULL;
    struct sq_sdp *again = NULL;
    struct sq_sdp_error error = {0};
    int err = sq_sdp_parse((const char *)data, len, &sdp, &error);
    if (err) {
        MUST(sdp == NULL);
        MUST(memchr(error.text, '\0', sizeof(error.text)) != NULL);
        return 0;
    }
    read_section(sdp, &sdp->session);
    for (size_t i = 0; i < sdp->n_media; i++) {
        const struct sq_sdp_media *m = &sdp->media[i];
        read_section(sdp, &m->section);
        within(sdp, m->kind);
        within(sdp, m->fmts);
        MUST(sq_sdp_direction_of(sdp, m) <= SQ_SDP_SENDRECV);
    }
    size_t first_len;
    size_t second_len;
    char *first = write(sdp, &first_len);
    MUST(sq_sdp_parse(first, first_len, &again, &error) == 0);
    MUST(again->n_media == sdp->n_media && again->n_lines == sdp->n_lines);
    char *second = write(again, &second_len);
    MUST(first_len == second_len && memcmp(first, second, first_len) == 0);
    sq_free(first);
    sq_free(second);
    sq_sdp_free(sdp);
    sq_sdp_free(again);
    return 0;
}
