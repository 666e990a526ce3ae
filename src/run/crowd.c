#include "run/crowd.h"

#include "base/mem.h"
#include "base/rand.h"
#include "run/result.h"

#define BLINK_NS         (20 * SQ_NS_PER_MS) /* nobody is replaced for so short a time */
#define AFTER_FAILURE_NS SQ_NS_PER_SEC       /* a service that refuses everybody is not stormed */
#define ROOM_MIN         64
#define SALT_JITTER      0x6a697474ULL
#define SALT_THINK       0x7468696eULL

/* One who will begin at a time that is known. */
struct start {
    uint64_t at_ns, place;
    bool again;
};

/* A place of a closed model. */
struct place {
    void *user;      /* borrowed; NULL: nobody is there */
    uint64_t rounds; /* users that were there before */
};

struct sq_crowd {
    struct sq_crowd_config config;
    struct sq_arrivals arrivals;
    uint64_t next, total;    /* the next arrival's number; one past the last of all shards */
    uint64_t next_go, begun; /* the next place to be given up; so many have begun */
    uint64_t end_ns;         /* nobody begins from then on */
    struct start *starts;    /* owned: a heap, the next one first */
    size_t starts_len, starts_room;
    struct place *places; /* owned: of this shard's places, up to the last one that was taken */
    size_t places_len, places_room;
};

/* ---- Draws ---- */

/* Evenly from 0 up to `below`; the same for the same seed, whatever else was drawn. */
static uint64_t draw(const struct sq_crowd *crowd, uint64_t salt, uint64_t place, uint64_t rounds,
                     uint64_t below)
{
    struct sq_rand rand;
    uint64_t seed = crowd->config.plan->seed;
    sq_rand_seed(&rand, seed ^ salt);
    sq_rand_seed(&rand, sq_rand_u64(&rand) ^ place);
    sq_rand_seed(&rand, sq_rand_u64(&rand) ^ rounds);
    return (uint64_t)(sq_rand_unit(&rand) * (double)below);
}

static uint64_t jitter_ns(const struct sq_crowd *crowd, uint64_t number)
{
    uint64_t most_ns = crowd->config.plan->jitter_ns;
    return most_ns ? draw(crowd, SALT_JITTER, number, 0, most_ns) : 0;
}

static uint64_t think_ns(const struct sq_crowd *crowd, uint64_t place, uint64_t rounds)
{
    const struct sq_plan *plan = crowd->config.plan;
    uint64_t span_ns = plan->think_max_ns - plan->think_min_ns;
    return plan->think_min_ns + (span_ns ? draw(crowd, SALT_THINK, place, rounds, span_ns + 1) : 0);
}

/* ---- The heap ---- */

static bool earlier(const struct start *a, const struct start *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->place < b->place);
}

static int push(struct sq_crowd *crowd, struct start start)
{
    if (crowd->starts_len == crowd->starts_room) {
        size_t room = crowd->starts_room ? 2 * crowd->starts_room : ROOM_MIN;
        struct start *starts = sq_realloc(crowd->starts, room * sizeof(*starts));
        if (!starts) {
            return SQ_ERR_NOMEM;
        }
        crowd->starts = starts;
        crowd->starts_room = room;
    }
    size_t i = crowd->starts_len++;
    for (; i > 0 && earlier(&start, &crowd->starts[(i - 1) / 2]); i = (i - 1) / 2) {
        crowd->starts[i] = crowd->starts[(i - 1) / 2];
    }
    crowd->starts[i] = start;
    return 0;
}

static struct start pop(struct sq_crowd *crowd)
{
    struct start first = crowd->starts[0];
    struct start last = crowd->starts[--crowd->starts_len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < crowd->starts_len; i = child) {
        if (child + 1 < crowd->starts_len &&
            earlier(&crowd->starts[child + 1], &crowd->starts[child])) {
            child++;
        }
        if (!earlier(&crowd->starts[child], &last)) {
            break;
        }
        crowd->starts[i] = crowd->starts[child];
    }
    if (crowd->starts_len > 0) {
        crowd->starts[i] = last;
    }
    return first;
}

/* ---- Places ---- */

bool sq_crowd_is_closed(const struct sq_crowd *crowd)
{
    return crowd->arrivals.kind == SQ_SHAPE_PEERS;
}

static struct place *place_of(const struct sq_crowd *crowd, uint64_t place)
{
    size_t at = (size_t)(place / crowd->config.stride);
    return at < crowd->places_len ? &crowd->places[at] : NULL;
}

static struct place *make_place(struct sq_crowd *crowd, uint64_t place)
{
    size_t needed = (size_t)(place / crowd->config.stride) + 1;
    if (needed > crowd->places_room) {
        size_t room = crowd->places_room ? crowd->places_room : ROOM_MIN;
        while (room < needed) {
            room *= 2;
        }
        struct place *places = sq_realloc(crowd->places, room * sizeof(*places));
        if (!places) {
            return NULL;
        }
        crowd->places = places;
        crowd->places_room = room;
    }
    while (crowd->places_len < needed) {
        crowd->places[crowd->places_len++] = (struct place){.user = NULL};
    }
    return place_of(crowd, place);
}

void sq_crowd_took(struct sq_crowd *crowd, uint64_t place, void *user)
{
    struct place *p = place_of(crowd, place);
    if (p) {
        p->user = user;
    }
}

int sq_crowd_left(struct sq_crowd *crowd, uint64_t place, bool failed, uint64_t now_ns)
{
    struct place *p = place_of(crowd, place);
    if (!p) {
        return 0;
    }
    uint64_t wait_ns = think_ns(crowd, place, p->rounds++);
    p->user = NULL;
    if (failed) {
        wait_ns = sq_max_u64(wait_ns, AFTER_FAILURE_NS);
    }
    if (place < crowd->next_go || now_ns + wait_ns >= crowd->end_ns) {
        return 0;
    }
    return push(crowd, (struct start){.at_ns = now_ns + wait_ns, .place = place, .again = true});
}

/* ---- Coming ---- */

/* Without its jitter; SQ_NEVER: there is none. */
static uint64_t next_arrival_ns(const struct sq_crowd *crowd)
{
    if (crowd->next >= crowd->total) {
        return SQ_NEVER;
    }
    uint64_t at_ns = sq_arrivals_time_ns(&crowd->arrivals, crowd->next);
    return at_ns < crowd->end_ns ? at_ns : SQ_NEVER;
}

/* Begins one, if it is due at all. */
static bool begin(struct sq_crowd *crowd, struct start start, uint64_t now_ns,
                  struct sq_arrival *ret_arrival)
{
    bool closed = sq_crowd_is_closed(crowd);
    uint64_t least_ns = start.again ? BLINK_NS : 0;
    if (start.at_ns >= crowd->end_ns ||
        (closed && sq_arrivals_leave_ns(&crowd->arrivals, start.place) <= start.at_ns + least_ns)) {
        return false; /* its place is given up before it comes, or is there */
    }
    uint64_t number =
        closed ? crowd->begun * crowd->config.stride + crowd->config.number : start.place;
    *ret_arrival = (struct sq_arrival){
        .index = number, .place = start.place, .intended_ns = start.at_ns, .again = start.again};
    if (closed && !crowd->config.counting) {
        ret_arrival->missed = start.place < crowd->next_go || number >= SQ_RESULT_PEERS_MAX ||
                              sq_arrivals_leave_ns(&crowd->arrivals, start.place) <= now_ns ||
                              !make_place(crowd, start.place);
    }
    crowd->begun += !ret_arrival->missed;
    return true;
}

bool sq_crowd_come(struct sq_crowd *crowd, uint64_t now_ns, struct sq_arrival *ret_arrival)
{
    while (next_arrival_ns(crowd) <= now_ns) {
        uint64_t number = crowd->next;
        struct start start = {.at_ns = next_arrival_ns(crowd) + jitter_ns(crowd, number),
                              .place = number};
        crowd->next += crowd->config.stride;
        if (crowd->config.plan->jitter_ns == 0) {
            if (begin(crowd, start, now_ns, ret_arrival)) {
                return true;
            }
        } else if (push(crowd, start) != 0) {
            *ret_arrival = (struct sq_arrival){
                .index = number, .place = number, .intended_ns = start.at_ns, .missed = true};
            return true;
        }
    }
    while (crowd->starts_len > 0 && crowd->starts[0].at_ns <= now_ns) {
        if (begin(crowd, pop(crowd), now_ns, ret_arrival)) {
            return true;
        }
    }
    return false;
}

bool sq_crowd_go(struct sq_crowd *crowd, uint64_t now_ns, void **ret_user)
{
    if (!sq_crowd_is_closed(crowd) ||
        sq_arrivals_leave_ns(&crowd->arrivals, crowd->next_go) > now_ns) {
        return false;
    }
    struct place *p = place_of(crowd, crowd->next_go);
    *ret_user = p ? p->user : NULL;
    crowd->next_go += crowd->config.stride;
    return true;
}

uint64_t sq_crowd_next_ns(const struct sq_crowd *crowd)
{
    uint64_t next_ns = next_arrival_ns(crowd);
    if (crowd->starts_len > 0) {
        next_ns = sq_min_u64(next_ns, crowd->starts[0].at_ns);
    }
    return sq_min_u64(next_ns, sq_arrivals_leave_ns(&crowd->arrivals, crowd->next_go));
}

bool sq_crowd_is_over(const struct sq_crowd *crowd)
{
    return !sq_crowd_is_closed(crowd) && crowd->next >= crowd->total && crowd->starts_len == 0;
}

/* ---- Life ---- */

static uint64_t total_of(const struct sq_plan *plan)
{
    if (plan->shape) {
        return plan->shape->kind == SQ_SHAPE_TIMES ? plan->shape->times_len : SQ_RESULT_PEERS_MAX;
    }
    /* Keys may raise the rate beyond what results are kept of. */
    return plan->hold_ns && plan->duration_ns ? SQ_RESULT_PEERS_MAX : plan->peers;
}

int sq_crowd_create(const struct sq_crowd_config *config, struct sq_crowd **ret_crowd)
{
    struct sq_crowd *crowd = sq_zalloc(sizeof(*crowd));
    const struct sq_plan *plan = config->plan;
    if (!crowd) {
        return SQ_ERR_NOMEM;
    }
    crowd->config = *config;
    crowd->next = crowd->next_go = config->number;
    crowd->total = total_of(plan);
    crowd->end_ns = plan->duration_ns ? config->start_ns + plan->duration_ns : SQ_NEVER;
    if (plan->shape) {
        sq_arrivals_init_shape(&crowd->arrivals, config->start_ns, plan->shape);
    } else {
        sq_arrivals_init(&crowd->arrivals, config->start_ns, plan->rate_per_s);
    }
    *ret_crowd = crowd;
    return 0;
}

void sq_crowd_destroy(struct sq_crowd *crowd)
{
    if (!crowd) {
        return;
    }
    sq_free(crowd->starts);
    sq_free(crowd->places);
    sq_free(crowd);
}

void sq_crowd_set_rate(struct sq_crowd *crowd, uint64_t at_ns, double rate_per_s, bool paused)
{
    sq_arrivals_set_rate(&crowd->arrivals, at_ns, rate_per_s);
    sq_arrivals_pause(&crowd->arrivals, at_ns, paused);
}

void sq_crowd_set_peers(struct sq_crowd *crowd, uint64_t at_ns, uint64_t peers, uint64_t over_ns)
{
    sq_arrivals_set_peers(&crowd->arrivals, at_ns, (double)peers, over_ns);
}

const struct sq_arrivals *sq_crowd_arrivals(const struct sq_crowd *crowd)
{
    return &crowd->arrivals;
}
