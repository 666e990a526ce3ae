#include "cli/run_places.h"

#include "base/place.h"
#include <stdio.h>

int sq_run_places_check(const struct sq_run_options *o, struct sq_places *places, char *why,
                        size_t why_room)
{
    const struct {
        const char *name, *path;
    } files[] = {
        {"json", o->json}, {"junit", o->junit}, {"html", o->html}, {"markdown", o->markdown}};
    const size_t n = sizeof(files) / sizeof(*files);
    int err = sq_places_check_folder("out", o->out, why, why_room);
    for (size_t i = 0; !err && i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            if (sq_places_same(files[i].path, files[k].path)) {
                snprintf(why, why_room, "--%s and --%s: both are %.200s", files[i].name,
                         files[k].name, files[i].path);
                return SQ_ERR_INVALID;
            }
        }
        bool later = !places && files[i].path && sq_place_waits(files[i].path);
        if (!later && !sq_places_will_be(files[i].path, o->out)) {
            err = sq_places_check_file(places, files[i].name, files[i].path, why, why_room);
        }
    }
    return err;
}
