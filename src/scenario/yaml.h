/* A YAML document as a tree in which each value knows its place. Of YAML 1.1 it takes what a
 * configuration needs: maps, lists and texts, in blocks or in brackets; all scalars are texts.
 * Anchors, aliases, tags, several documents and duplicate keys are refused by name. */
#ifndef SQ_SCENARIO_YAML_H
#define SQ_SCENARIO_YAML_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_YAML_SIZE_MAX  (1024 * 1024) /* bytes of a file */
#define SQ_YAML_DEPTH_MAX 16
#define SQ_YAML_NODES_MAX 50000

/* Where something stands: both from 1, the column in characters. 0, 0: nowhere. */
struct sq_yaml_place {
    unsigned line, column;
};

struct sq_yaml_error {
    struct sq_yaml_place at;
    char message[448]; /* what was found there, and what was expected */
};

enum sq_yaml_kind { SQ_YAML_TEXT, SQ_YAML_LIST, SQ_YAML_MAP };

struct sq_yaml_node {
    enum sq_yaml_kind kind;
    struct sq_yaml_place at;
    bool quoted;
    unsigned text_column; /* of a text's first character; 0: it does not stand in the file letter by
                             letter (escapes, several lines) */
    char *text;           /* NULL in lists and maps */
    struct sq_yaml_node *key;          /* of a map's value: its key; else NULL */
    struct sq_yaml_node *first, *next; /* what a list or map holds, in the order of the file */
    struct sq_yaml_node *chain;        /* of all nodes, for sq_yaml_free */
};

struct sq_yaml {
    struct sq_yaml_node *root; /* NULL: the document is empty */
    struct sq_yaml_node *all;
};

/* SQ_ERR_FORMAT or SQ_ERR_UNSUPPORTED fill *ret_error, SQ_ERR_NOMEM does not. */
int sq_yaml_parse(const char *text, size_t len, struct sq_yaml *ret_yaml,
                  struct sq_yaml_error *ret_error) SQ_MUST_USE;
void sq_yaml_free(struct sq_yaml *yaml);
/* "a text", "a list", "a map": what a message calls a node. */
const char *sq_yaml_kind_name(const struct sq_yaml_node *node);

#endif
