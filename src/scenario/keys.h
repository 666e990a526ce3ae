/* The keys of a scenario file, in one table: the reader takes these and no others, and the JSON
 * schema for editors is made of it. */
#ifndef SQ_SCENARIO_KEYS_H
#define SQ_SCENARIO_KEYS_H

#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

/* What a key's value looks like in the file. */
enum sq_scenario_kind {
    SQ_SCENARIO_TEXT,
    SQ_SCENARIO_COUNT,    /* a whole number */
    SQ_SCENARIO_NUMBER,   /* milliseconds and the like */
    SQ_SCENARIO_DURATION, /* 10s */
    SQ_SCENARIO_RATE,     /* 20/s */
    SQ_SCENARIO_SHARE,    /* 30% */
    SQ_SCENARIO_FLAG,     /* true or false */
    SQ_SCENARIO_TEXTS,    /* a text or a list of them */
    SQ_SCENARIO_NAME,     /* letters, digits, '-', '_' and blanks */
    SQ_SCENARIO_ROLE,
    SQ_SCENARIO_CODEC,   /* {video: h264, audio: opus}, or as the option has it */
    SQ_SCENARIO_DATA,    /* {rate: 10/s, size: 200, mode: unordered}, or as the option has it */
    SQ_SCENARIO_NETWORK, /* a name, settings, or a mix of them */
    SQ_SCENARIO_EXPECT,  /* expectations: texts, or {expr, level} */
    SQ_SCENARIO_SIZES,   /* {2: 70%, 5: 30%} */
    SQ_SCENARIO_GROUPS,
    SQ_SCENARIO_STEPS, /* a list of steps: steps.h */
    SQ_SCENARIO_ROOM,  /* a group's own room: a text with values of steps */
};

/* Where a key may stand. */
#define SQ_SCENARIO_TOP       1u  /* in its section, for all */
#define SQ_SCENARIO_GROUP     2u  /* in a group, for it alone */
#define SQ_SCENARIO_VARIABLES 4u  /* its value may have ${NAME} in it: no result shows it */
#define SQ_SCENARIO_COLUMNS   8u  /* ... and ${user.COLUMN}, and values of steps */
#define SQ_SCENARIO_FILE      16u /* a file that is read: beside the scenario, else here */

struct sq_scenario_key {
    const char *section; /* the map it stands in at the top: "load"; "": the file itself */
    const char *name;
    const char *option; /* of `squall run`, without the dashes; NULL: the file alone has it */
    enum sq_scenario_kind kind;
    unsigned where;
    const char *help;
};

/* A map of keys within the file. */
struct sq_scenario_section {
    const char *name;
    const char *help;
};

const struct sq_scenario_key *sq_scenario_keys(size_t *ret_n);
const struct sq_scenario_section *sq_scenario_sections(size_t *ret_n);
/* NULL: no such key there. `where` is SQ_SCENARIO_TOP or SQ_SCENARIO_GROUP, and a group has no
 * sections ("") but those of the top may stand in it. */
const struct sq_scenario_key *sq_scenario_key_find(const char *section, const char *name,
                                                   unsigned where);
/* The key of an option of `squall run` ("room-size"); NULL: none. */
const struct sq_scenario_key *sq_scenario_key_of(const char *option);
/* "rooms.size". Returns out. */
const char *sq_scenario_key_path(const struct sq_scenario_key *key, char out[static 48]);

/* The settings of a network, and the roles and levels: words that stand in the file. NULL ends
 * each. */
extern const char *const sq_scenario_network_keys[];
extern const char *const sq_scenario_roles[]; /* in the order of enum sq_scenario_role */
extern const char *const sq_scenario_levels[];
extern const char *const sq_scenario_step_words[]; /* what a step may be */

/* What the value of an option may be beyond its kind, as the reader of the option takes it. */
struct sq_scenario_form {
    const char *const *words; /* one of them; NULL ends them; NULL: any text */
    const char *pattern;      /* a regular expression (ECMA-262) without ^ and $ that all good texts
                                 match; NULL: none; it may be gone at the next call */
    enum { SQ_FORM_TEXT, SQ_FORM_INTEGER, SQ_FORM_NUMBER } bare; /* what may stand besides texts */
    double least, most;                                          /* of such a number; most 0: any */
};

#define SQ_SCENARIO_NETWORK_FORM "network." /* a setting's name behind it: "network.rate" */

/* Fills what it knows of an option of `squall run`, of "data.rate", "data.size", "codec.video" and
 * "codec.audio", and of each setting of a network; the rest stays as it is. */
typedef void sq_scenario_form_fn(void *ctx, const char *option, struct sq_scenario_form *ret_form);

/* The JSON schema of the file (draft 2020-12), as text; share/schema/scenario.schema.json is this.
 * It refuses nothing that the reader takes. */
void sq_scenario_schema(sq_scenario_form_fn *form, void *ctx, struct sq_buf *out);

#endif
