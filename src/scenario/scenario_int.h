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
    const char *names[SQ_STEP_NAMES_MAX]; /* that steps anywhere in the file give values */
    size_t names_len;
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

/* steps.c */
/* Before all else: the names that steps of the file give values to. */
int sq_scenario_find_names(struct sq_scenario_reader *r,
                           const struct sq_yaml_node *root) SQ_MUST_USE;
bool sq_scenario_is_step_name(const struct sq_scenario_reader *r, const char *name, size_t len);
int sq_scenario_read_steps(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           struct sq_steps *steps) SQ_MUST_USE;
/* After all: no step and no setting asks for a value before it is there. */
int sq_scenario_check_names(struct sq_scenario_reader *r) SQ_MUST_USE;
/* A text of a step: variables put in, and marks for what is known later. NULL with *ret_err. */
const char *sq_scenario_step_text(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                                  bool json, int *ret_err);
const char *sq_scenario_step_json(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                                  int *ret_err);
/* One of the two, of which `expected` ("the text of a message") is refused where it is no text. */
int sq_scenario_read_body(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool json,
                          const char *expected, const char **ret_body) SQ_MUST_USE;
int sq_scenario_step_duration(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                              uint64_t *ret_ns) SQ_MUST_USE;
/* "wait 2s to 3s". */
void sq_scenario_wait_words(const struct sq_step *step, struct sq_buf *out);
bool sq_scenario_is_a_step_name(const char *name, size_t len);
/* The values of a map's keys, each at most once; `words` ends with NULL. */
int sq_scenario_read_parts(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           const char *const *words, const struct sq_yaml_node **ret_parts,
                           const char *expected) SQ_MUST_USE;
/* *ret_i is the name's place among those of its kind, where it stands once. */
int sq_scenario_list_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char **names, size_t *len, size_t max, const char *name,
                          size_t *ret_i) SQ_MUST_USE;
int sq_scenario_read_step_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                               const char **ret_name) SQ_MUST_USE;
/* Words that stand in steps, and events that are Squall's own; NULL ends each. */
extern const char *const sq_scenario_scopes[];
extern const char *const sq_scenario_muted[];
extern const char *const sq_scenario_own_events[];
extern const char *const sq_scenario_http_methods[];
bool sq_scenario_is_of_a_call(enum sq_step_kind kind); /* there is none before signing in */
bool sq_scenario_is_bare(enum sq_step_kind kind);      /* nothing is to be said of it */
/* schema_steps.c: what "$defs" has of them, each definition with a comma behind it. */
void sq_scenario_schema_steps(struct sq_buf *out);
/* schema.c: {"enum": …} without the braces; a text as JSON has it. */
void sq_scenario_schema_words(const char *const *words, struct sq_buf *out);
void sq_scenario_schema_text(const char *text, struct sq_buf *out);
/* "type": "string", "pattern": … of a duration above 0, or a rate. */
void sq_scenario_schema_quantity(enum sq_quantity quantity, struct sq_buf *out);

/* steps_http.c; `headers`: a header may be taken, too. */
int sq_scenario_read_takes(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           bool headers, struct sq_step_take *takes, size_t *len) SQ_MUST_USE;
int sq_scenario_read_headers(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                             const char **headers, size_t *len) SQ_MUST_USE;
bool sq_scenario_is_pointer(const char *text); /* a JSON pointer: RFC 6901 */
void sq_scenario_free_takes(struct sq_step_take *takes, size_t len);
/* steps_talk.c */
int sq_scenario_read_websocket(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                               struct sq_step *step) SQ_MUST_USE;
int sq_scenario_read_data(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          struct sq_step *step) SQ_MUST_USE;
/* What it does, without its word: "connect ws://…, send, expect". */
void sq_scenario_put_talk(const struct sq_step_talk *talk, const char *written, struct sq_buf *b);
void sq_scenario_free_talk(struct sq_step_talk *talk);
int sq_scenario_read_http(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          struct sq_step *step) SQ_MUST_USE;
/* files.c: what sq_scenario_load says of relative paths. SQ_ERR_NOMEM. */
int sq_scenario_find_files(struct sq_scenario *scenario) SQ_MUST_USE;
/* setting.c: where "${" is within the node's text. */
struct sq_yaml_place sq_scenario_place_in(const struct sq_yaml_node *node, const char *at);

#endif
