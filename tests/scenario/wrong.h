/* Texts that are wrong, and what is said of them: where, and in which words. */
#ifndef TESTS_SCENARIO_WRONG_H
#define TESTS_SCENARIO_WRONG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario/yaml.h"
#include <string.h>

struct wrong {
    const char *text;
    unsigned line, column;
    const char *words; /* a part of the sentence */
};

/* `err` and `error` are what came of it. */
static inline void check_wrong(const struct wrong *wrong, int err,
                               const struct sq_yaml_error *error)
{
    if (!err || error->at.line != wrong->line || error->at.column != wrong->column ||
        !strstr(error->message, wrong->words)) {
        fail_msg("%s gives %d, %u:%u: '%s', expected %u:%u: '%s'", wrong->text, err, error->at.line,
                 error->at.column, error->message, wrong->line, wrong->column, wrong->words);
    }
}

#endif
