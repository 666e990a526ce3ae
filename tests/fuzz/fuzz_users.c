/* CSV of users: what is refused has a place, and of what is taken each row gives each column. */
#include "fuzz/fuzz.h"
#include "scenario/users.h"
#include <string.h>

static void check(const struct sq_users *users)
{
    uint64_t rows = sq_users_rows(users);
    char column[64];
    MUST(rows >= 1);
    for (int order = SQ_USERS_SEQUENTIAL; order <= SQ_USERS_UNIQUE; order++) {
        struct sq_buf b = {0};
        uint64_t row = sq_users_row(users, (enum sq_users_order)order, 7, 12345);
        MUST(row < rows);
        int err = sq_users_put(users, row, "x${user.name}y${user.token", &b, column);
        MUST(err == SQ_ERR_NOTFOUND && memchr(column, '\0', sizeof(column)));
        sq_buf_free(&b);
        err = sq_users_put(users, rows - 1, "x${user.a}y", &b, column);
        MUST(err == 0 || err == SQ_ERR_NOTFOUND);
        MUST(err != 0 || (b.len >= 2 && b.text[b.len - 1] == 'y'));
        sq_buf_free(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_users *users = NULL;
    struct sq_yaml_error error = {.message = ""};
    if (sq_users_parse((const char *)data, len, &users, &error) != 0) {
        MUST(users == NULL && error.message[0] != '\0');
        MUST(error.at.line >= 1 && error.at.column >= 1 && error.at.column <= len + 1);
        return 0;
    }
    check(users);
    sq_users_free(users);
    return 0;
}
