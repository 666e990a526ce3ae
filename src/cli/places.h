/* Places that results are to go to: what cannot be written is told before the run, not after it. */
#ifndef SQ_CLI_PLACES_H
#define SQ_CLI_PLACES_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_PLACES_FIFOS_MAX 4

/* Zeroed to begin with. A FIFO is kept open until all is written, so that its reader does not see
 * an end before there was anything. */
struct sq_places {
    int fifos[SQ_PLACES_FIFOS_MAX];
    size_t fifos_len;
};

/* `path` is the value of the option `--NAME`; NULL and "-" are fine. SQ_ERR_INVALID with a
 * sentence.
 */
int sq_places_check_file(struct sq_places *places, const char *name, const char *path, char *why,
                         size_t why_room) SQ_MUST_USE;
/* A folder that is there, or can be made. */
int sq_places_check_folder(const char *name, const char *path, char *why,
                           size_t why_room) SQ_MUST_USE;
/* Both lead to the same place; a NULL leads nowhere. */
bool sq_places_same(const char *a, const char *b);
/* A file right in a folder that is not there yet, and that the run makes; both may be NULL. */
bool sq_places_will_be(const char *path, const char *folder);
void sq_places_close(struct sq_places *places);

#endif
