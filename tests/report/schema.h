/* The part of JSON Schema that summary.schema.json uses. */
#ifndef TESTS_REPORT_SCHEMA_H
#define TESTS_REPORT_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* On failure `why` says where and what. A keyword that is not known to it fails as well. */
bool schema_check(json_t *schema, json_t *value, const char *path, char *why, size_t why_size);

#endif
