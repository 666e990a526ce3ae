/* A scenario file: what it says, checked as far as the file alone can tell, each value with its
 * place. Values that are options of `squall run` stay texts, to be read by the same functions as
 * the command line's; the room knows no sockets and nothing of the run. */
#ifndef SQ_SCENARIO_SCENARIO_H
#define SQ_SCENARIO_SCENARIO_H

#include "base/secret.h"
#include "scenario/keys.h"
#include "scenario/steps.h"
#include "scenario/yaml.h"
#include <stdint.h>

#define SQ_SCENARIO_GROUPS_MAX   16
#define SQ_SCENARIO_SIZES_MAX    16
#define SQ_SCENARIO_GROUP_MAX    23 /* bytes of a group's name */
#define SQ_SCENARIO_NAME_MAX     80
#define SQ_SCENARIO_COUNT_MAX    1000000 /* rooms, peers a room */
#define SQ_SCENARIO_SETTINGS_MAX 1024

/* A value of the file, for an option of `squall run`. */
struct sq_scenario_setting {
    const struct sq_scenario_key *key; /* with an option */
    const char *value;                 /* variables put in */
    const char *shown;                 /* as written, with ${NAME}: what may be told of it */
    bool secret;                       /* a variable is in it: the value is not to be told */
    bool part;                         /* a piece of the next one that is none: for its place */
    struct sq_yaml_place at;
    unsigned text_column; /* of its first character; 0: unknown */
};

struct sq_scenario_settings {
    struct sq_scenario_setting *items;
    size_t n, room;
};

/* In the order of sq_scenario_roles. */
enum sq_scenario_role {
    SQ_SCENARIO_ROLE_BOTH,
    SQ_SCENARIO_ROLE_PUBLISH,
    SQ_SCENARIO_ROLE_WATCH,
    SQ_SCENARIO_ROLE_AUDIO,
    SQ_SCENARIO_ROLE_VIDEO,
    SQ_SCENARIO_ROLE_DATA,
};

struct sq_scenario_group {
    const char *name;
    struct sq_yaml_place at, per_room_at;
    enum sq_scenario_role role;
    uint64_t per_room; /* 0: it has a share */
    double share;      /* of those whom no per_room takes; those of a scenario make 1 */
    struct sq_scenario_settings settings;
    const char *room; /* its own name, with marks (steps.h); NULL: rooms.name says it */
    struct sq_steps before, steps; /* n 0: those of the whole file */
};

struct sq_scenario_size {
    uint64_t size; /* peers */
    double share;  /* of the rooms; those of a scenario make 1 */
};

struct sq_scenario {
    char *file;       /* its name, for messages */
    const char *name; /* "": it has none */
    struct sq_scenario_settings settings;
    struct sq_scenario_group groups[SQ_SCENARIO_GROUPS_MAX];
    size_t groups_len; /* 0: it has none */
    struct sq_yaml_place groups_at;
    uint64_t rooms; /* 0: as many as are needed */
    struct sq_yaml_place rooms_at, sizes_at;
    struct sq_scenario_size sizes[SQ_SCENARIO_SIZES_MAX];
    size_t sizes_len;              /* 0: rooms.size says it, or all are in one */
    struct sq_steps before, steps; /* of groups that have none of their own, or of all */
    struct sq_step_figures figures;
    struct sq_secrets secrets;      /* owned: the values of the environment that it has */
    struct sq_scenario_text *texts; /* owned */
};

/* A variable of the environment; NULL: it is not set. Its result is copied. */
typedef const char *sq_scenario_env_fn(void *ctx, const char *name);

/* `file` is its name in messages. *ret_error is filled but for SQ_ERR_NOMEM. */
int sq_scenario_parse(const char *file, const char *text, size_t len, sq_scenario_env_fn *env,
                      void *env_ctx, struct sq_scenario **ret_scenario,
                      struct sq_yaml_error *ret_error) SQ_MUST_USE;
/* Reads the file, with the process's environment. SQ_ERR_IO: it cannot be read, *ret_error has no
 * place. Relative paths of files that it reads (SQ_SCENARIO_FILE, clips that are shared) become
 * those beside it, where there is such a file; else they stay: of the current directory. */
int sq_scenario_load(const char *file, struct sq_scenario **ret_scenario,
                     struct sq_yaml_error *ret_error) SQ_MUST_USE;
/* Where a file was looked for that is at neither place: " (looked for …)"; else nothing. */
void sq_scenario_put_looked(const struct sq_scenario *scenario,
                            const struct sq_scenario_setting *setting, struct sq_buf *out);
/* The same of a clip that a step shares. */
void sq_scenario_put_looked_clip(const struct sq_scenario *scenario, const char *name,
                                 struct sq_buf *out);
/* NULL is allowed. */
void sq_scenario_free(struct sq_scenario *scenario);

/* The setting whose value this very text is, in any group or for all; NULL: none. */
const struct sq_scenario_setting *sq_scenario_setting_of(const struct sq_scenario *scenario,
                                                         const char *value);
/* The last setting of an option in `group` (nullable), else for all; NULL: the file has none. */
const struct sq_scenario_setting *sq_scenario_setting_for(const struct sq_scenario *scenario,
                                                          const struct sq_scenario_group *group,
                                                          const char *option);
/* What may be told of a value: itself, or as it is written, where a variable is in it. */
const char *sq_scenario_shown(const struct sq_scenario *scenario, const char *value);

/* "publish", "watch" …: what the role sends and receives. */
bool sq_scenario_role_sends(enum sq_scenario_role role);
bool sq_scenario_role_watches(enum sq_scenario_role role);
/* Whether there may be audio in what it sends. */
bool sq_scenario_role_speaks(enum sq_scenario_role role);

#endif
