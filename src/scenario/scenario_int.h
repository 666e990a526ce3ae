/* What the files of the reader share. */
#ifndef SQ_SCENARIO_SCENARIO_INT_H
#define SQ_SCENARIO_SCENARIO_INT_H

#include "scenario/scenario.h"

struct sq_scenario_text {
    struct sq_scenario_text *next;
    char text[];
};

struct sq_scenario_reader {
    struct sq_scenario *scenario;
    struct sq_yaml_error *error;
    sq_scenario_env_fn *env;
    void *env_ctx;
};

/* Fills the error; gives `err`. */
int sq_scenario_refuse(struct sq_scenario_reader *r, int err, struct sq_yaml_place at,
                       const char *fmt, ...) SQ_PRINTF(4, 5);
/* "rooms.size is a list; expected a text". */
int sq_scenario_refuse_kind(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                            const char *expected);
/* A copy of the text that lives as long as the scenario; NULL: no memory. */
const char *sq_scenario_keep(struct sq_scenario_reader *r, const char *text);
/* The buffer's text likewise; the buffer is freed. */
const char *sq_scenario_keep_buf(struct sq_scenario_reader *r, struct sq_buf *b);
/* A node that has to be a text with something in it. */
int sq_scenario_need_text(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char *expected) SQ_MUST_USE;
/* "30%", "30 %": above 0 and up to 100 %; as a share of 1. */
int sq_scenario_read_share(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           double *ret_share) SQ_MUST_USE;
int sq_scenario_read_count(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           uint64_t max, uint64_t *ret_count) SQ_MUST_USE;
/* The word's place in the list, which NULL ends; else a message with what is expected and near. */
int sq_scenario_read_word(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char *const *words, size_t *ret_i) SQ_MUST_USE;
/* The nearest of the words, for "did you mean"; NULL: none is near. */
const char *sq_scenario_near(const char *word, const char *const *words);
/* "; did you mean ice?", or nothing. Returns out. */
const char *sq_scenario_did_you_mean(const char *near, char out[static 96]);

/* Adds what the node says for this key (one with an option) to the settings. */
int sq_scenario_read_setting(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                             const struct sq_scenario_key *key,
                             const struct sq_yaml_node *node) SQ_MUST_USE;

#endif
