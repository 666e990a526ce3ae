/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one offer by POST, one answer; candidates and
 * ICE restarts by PATCH, the end by DELETE. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SDP_TYPE  "application/sdp"
#define FRAG_TYPE "application/trickle-ice-sdpfrag"

static const char cors_origin[] = "Access-Control-Allow-Origin: *";
static const char cors_expose[] = "Access-Control-Expose-Headers: Location, ETag, Link";
static const char sdp_line[] = "Content-Type: " SDP_TYPE;
static const char frag_line[] = "Content-Type: " FRAG_TYPE;
static const char accept_post[] = "Accept-Post: " SDP_TYPE;
static const char accept_patch[] = "Accept-Patch: " FRAG_TYPE;

struct resource {
    char stream[SQ_ROOM_NAME_MAX + 1];
    const char *id; /* "" for the end point itself */
    bool whep;
};

static const char *word(const struct resource *r)
{
    return r->whep ? "WHEP" : "WHIP";
}

static bool type_is(struct sq_httpd_request *request, const char *type)
{
    const char *header = sq_httpd_header(request, "Content-Type");
    struct sq_view v = sq_view_of(header ? header : "");
    return sq_view_is_nocase(sq_view_trim(sq_view_cut(&v, ';')), type);
}

static bool accepts_sdp(struct sq_httpd_request *request)
{
    const char *header = sq_httpd_header(request, "Accept");
    struct sq_view rest = sq_view_of(header ? header : "*/*");
    while (rest.at) {
        struct sq_view one = sq_view_cut(&rest, ',');
        struct sq_view type = sq_view_trim(sq_view_cut(&one, ';'));
        if (sq_view_is_nocase(type, SDP_TYPE) || sq_view_is(type, "application/*") ||
            sq_view_is(type, "*/*")) {
            return true;
        }
    }
    return false;
}

/* ---- POST: a new session ---- */

/* A viewer's section takes the codec of what there is to see, while there is something. */
static int follow_codec(struct sq_lab_member *member, struct sq_track *track)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    for (const struct sq_lab_source *s = member->room->sources; s; s = s->next) {
        if (s->live && s->video == video && s->codec != SQ_CODEC_NONE) {
            const struct sq_peer_codecs codecs = {.n = 1, .order = {(uint8_t)s->codec}};
            return sq_track_set_codecs(track, &codecs);
        }
    }
    return 0;
}

static int prepare_tracks(struct sq_lab_member *member, bool whep)
{
    int err = 0;
    for (size_t i = 0; !err && i < sq_peer_track_count(member->peer); i++) {
        struct sq_track *track = sq_peer_track(member->peer, i);
        sq_track_receive_simulcast(track, !whep);
        err = whep && !member->echo ? follow_codec(member, track) : 0;
        if (whep || member->echo) {
            err = sq_track_set_media(track, NULL);
        }
        err = err ? err
                  : sq_track_set_direction(track, whep           ? SQ_DIR_SENDONLY
                                                  : member->echo ? SQ_DIR_SENDRECV
                                                                 : SQ_DIR_RECVONLY);
    }
    return err;
}

static int make_ports(struct sq_lab_member *member, bool whep)
{
    int err = 0;
    for (size_t i = 0; !err && i < sq_peer_track_count(member->peer); i++) {
        struct sq_track *track = sq_peer_track(member->peer, i);
        enum sq_direction direction = sq_track_current_direction(track);
        struct sq_lab_port *port;
        if (sq_track_main(track) != track) {
            continue; /* a layer: it comes in by the port of the first one */
        }
        if (direction & (whep ? SQ_DIR_SENDONLY : SQ_DIR_RECVONLY)) {
            err = sq_lab_port_new(member, track, &port);
            err = err || whep ? err : sq_lab_publish(port);
        }
    }
    return err;
}

static int answer(struct sq_lab_member *member, bool whep, const char *offer, char **ret_sdp,
                  char why[SQ_PEER_TEXT_MAX])
{
    uint64_t now_ns = sq_lab_now(member->lab);
    char *sdp = NULL;
    int err = sq_peer_set_remote(member->peer, now_ns, SQ_SDP_OFFER, offer, why);
    err = err ? err : prepare_tracks(member, whep);
    err = err ? err : sq_peer_create_answer(member->peer, now_ns, &sdp, why);
    err = err ? err : make_ports(member, whep);
    struct sq_data_stats data;
    sq_peer_data_stats(member->peer, &data);
    if (!err && !member->ports && !data.negotiated) {
        snprintf(why, SQ_PEER_TEXT_MAX,
                 "no section of the offer can be used: expected audio or "
                 "video that is %s, or data",
                 whep ? "received" : "sent");
        err = SQ_ERR_UNSUPPORTED;
    }
    if (!err) {
        member->offer = sq_strdup(offer);
        err = member->offer ? 0 : SQ_ERR_NOMEM;
    }
    if (err) {
        sq_free(sdp);
        return err;
    }
    if (whep) {
        sq_lab_member_fill(member);
    }
    *ret_sdp = sdp;
    return 0;
}

static bool is_playing(struct sq_lab *lab, const char *stream)
{
    const struct sq_lab_room *room = sq_lab_room_find(lab, stream);
    const struct sq_lab_source *source = room ? room->sources : NULL;
    while (source && !source->live) {
        source = source->next;
    }
    return source != NULL;
}

/* Is the request one that can be answered at all? Answers it otherwise. */
static bool check_post(struct sq_lab *lab, struct sq_httpd_request *request,
                       const struct resource *r)
{
    size_t len;
    (void)sq_httpd_body(request, &len);
    if (!type_is(request, SDP_TYPE)) {
        sq_lab_http_say(request, 415, accept_post, "expected an offer of type %s", SDP_TYPE);
    } else if (!accepts_sdp(request)) {
        sq_lab_http_say(request, 406, NULL, "the answer is of type %s, which Accept leaves out",
                        SDP_TYPE);
    } else if (len == 0) {
        sq_lab_http_say(request, 400, NULL, "the offer is empty");
    } else if (r->whep && !is_playing(lab, r->stream)) {
        /* draft-ietf-wish-whep-02, section 4.2: 409 with Retry-After. */
        sq_lab_http_say(request, 409, "Retry-After: 2", "nothing is published as '%s' now",
                        r->stream);
    } else {
        return true;
    }
    return false;
}

static void refuse_offer(struct sq_httpd_request *request, int err, const char *why)
{
    bool theirs = err == SQ_ERR_FORMAT || err == SQ_ERR_UNSUPPORTED || err == SQ_ERR_INVALID ||
                  err == SQ_ERR_TRUNCATED || err == SQ_ERR_NOSPACE || err == SQ_ERR_STATE;
    if (theirs) {
        sq_lab_http_say(request, 400, NULL, "the description cannot be taken: %s",
                        why[0] ? why : sq_err_name(err));
    } else {
        sq_lab_http_say(request, 503, "Retry-After: 5", "no session can be made: %s",
                        sq_err_name(err));
    }
}

static void reply_created(struct sq_httpd_request *request, const struct sq_lab_member *member,
                          const struct resource *r, const char *sdp)
{
    char location[160], etag[32];
    struct sq_buf path = {0};
    for (const char *c = r->stream; *c; c++) { /* RFC 3986, section 2.3: unreserved */
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        sq_buf_printf(&path, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    char *stream = sq_buf_take(&path);
    snprintf(location, sizeof(location), "Location: /%s/", r->whep ? "whep" : "whip");
    struct sq_buf line = {0};
    sq_buf_printf(&line, "%s%s/%s", location, stream ? stream : "", member->id);
    snprintf(etag, sizeof(etag), "ETag: \"%u\"", member->etag);
    const char *const headers[] = {
        cors_origin, cors_expose, sdp_line, accept_patch, line.text ? line.text : location,
        etag,        NULL};
    (void)sq_httpd_reply(request, 201, headers, sdp, strlen(sdp));
    sq_buf_free(&line);
    sq_free(stream);
}

static void on_post(struct sq_lab *lab, struct sq_httpd_request *request, const struct resource *r)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    struct sq_lab_member *member = NULL;
    char *sdp = NULL;
    size_t len;
    const char *offer = sq_httpd_body(request, &len);
    if (!check_post(lab, request, r)) {
        return;
    }
    const struct sq_lab_join join = {
        .kind = r->whep ? SQ_LAB_WHEP : SQ_LAB_WHIP,
        .room = r->stream,
        .name = r->whep ? "viewer" : r->stream,
        .publish_audio = !r->whep,
        .publish_video = !r->whep,
        .subscribe = r->whep,
        .passive = true, /* RFC 9725, section 4.4.2: leaves the client the active part */
    };
    int err = sq_lab_member_new(lab, &join, &member);
    if (err) {
        sq_lab_http_say(request, 503, "Retry-After: 5", "there is no place: %s", sq_err_name(err));
        return;
    }
    member->etag = 1;
    err = strlen(offer) == len ? answer(member, r->whep, offer, &sdp, why) : SQ_ERR_FORMAT;
    if (err) {
        refuse_offer(request, err, why);
        sq_lab_member_free(member);
        return;
    }
    reply_created(request, member, r, sdp);
    sq_free(sdp);
}

/* ---- PATCH: candidates and ICE restarts ---- */

struct fragment {
    struct sq_view ufrag, pwd;
    size_t candidates;
    bool valid;
};

static bool next_line(struct sq_view *rest, struct sq_view *ret_line)
{
    if (!rest->at || rest->len == 0) {
        return false;
    }
    *ret_line = sq_view_cut(rest, '\n');
    if (ret_line->len > 0 && ret_line->at[ret_line->len - 1] == '\r') {
        ret_line->len--;
    }
    return true;
}

static struct sq_view value_of(struct sq_view line, const char *prefix)
{
    size_t n = strlen(prefix);
    return (struct sq_view){line.at + n, line.len - n};
}

static struct fragment read_fragment(const char *body)
{
    struct fragment f = {.valid = true};
    struct sq_view rest = sq_view_of(body), line;
    while (next_line(&rest, &line)) {
        if (sq_view_starts(line, "a=ice-ufrag:") && !f.ufrag.at) {
            f.ufrag = value_of(line, "a=ice-ufrag:");
        } else if (sq_view_starts(line, "a=ice-pwd:") && !f.pwd.at) {
            f.pwd = value_of(line, "a=ice-pwd:");
        } else if (sq_view_starts(line, "a=candidate:")) {
            f.candidates++;
        } else if (line.len > 0 && (line.len < 2 || line.at[1] != '=')) {
            f.valid = false;
        }
    }
    return f;
}

static void add_candidates(struct sq_lab_member *member, const char *body)
{
    struct sq_view rest = sq_view_of(body), line;
    uint64_t now_ns = sq_lab_now(member->lab);
    while (next_line(&rest, &line)) {
        char text[SQ_ROOM_CANDIDATE_MAX];
        int err = 0;
        if (sq_view_starts(line, "a=candidate:") && line.len < sizeof(text)) {
            snprintf(text, sizeof(text), SQ_VIEW_FMT, SQ_VIEW_ARG(line));
            err = sq_peer_add_candidate(member->peer, now_ns, text);
        } else if (sq_view_is(line, "a=end-of-candidates")) {
            err = sq_peer_add_candidate(member->peer, now_ns, "");
        }
        (void)err; /* one that is of no use to us does not end the session */
    }
}

/* The client's first offer with new credentials and without candidates. */
static char *renewed_offer(const struct sq_lab_member *member, const struct fragment *f)
{
    struct sq_buf b = {0};
    struct sq_view rest = sq_view_of(member->offer), line;
    while (next_line(&rest, &line)) {
        if (sq_view_starts(line, "a=ice-ufrag:")) {
            sq_buf_printf(&b, "a=ice-ufrag:" SQ_VIEW_FMT "\r\n", SQ_VIEW_ARG(f->ufrag));
        } else if (sq_view_starts(line, "a=ice-pwd:")) {
            sq_buf_printf(&b, "a=ice-pwd:" SQ_VIEW_FMT "\r\n", SQ_VIEW_ARG(f->pwd));
        } else if (!sq_view_starts(line, "a=candidate:") &&
                   !sq_view_is(line, "a=end-of-candidates") && line.len > 0) {
            sq_buf_printf(&b, SQ_VIEW_FMT "\r\n", SQ_VIEW_ARG(line));
        }
    }
    return sq_buf_take(&b);
}

/* What a restart answers: session-level ICE lines, and the first section's (RFC 9725, 4.3.3). */
static char *fragment_of(const char *sdp)
{
    static const char *const kept[] = {"a=ice-lite",   "a=ice-options:",     "a=group:BUNDLE",
                                       "a=mid:",       "a=ice-ufrag:",       "a=ice-pwd:",
                                       "a=candidate:", "a=end-of-candidates"};
    struct sq_buf b = {0};
    struct sq_view rest = sq_view_of(sdp), line;
    unsigned sections = 0;
    while (next_line(&rest, &line)) {
        bool keep = sq_view_starts(line, "m=");
        sections += keep;
        for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
            keep = keep || sq_view_starts(line, kept[i]);
        }
        if (sections > 1) {
            break;
        }
        if (keep) {
            sq_buf_printf(&b, SQ_VIEW_FMT "\r\n", SQ_VIEW_ARG(line));
        }
    }
    return sq_buf_take(&b);
}

static int restart(struct sq_lab_member *member, const char *body, const struct fragment *f,
                   char **ret_fragment, char why[SQ_PEER_TEXT_MAX])
{
    uint64_t now_ns = sq_lab_now(member->lab);
    char *sdp = NULL;
    char *offer = renewed_offer(member, f);
    int err = offer ? 0 : SQ_ERR_NOMEM;
    err = err ? err : sq_peer_set_remote(member->peer, now_ns, SQ_SDP_OFFER, offer, why);
    err = err ? err : sq_peer_create_answer(member->peer, now_ns, &sdp, why);
    sq_free(offer);
    if (err) {
        return err;
    }
    add_candidates(member, body);
    char *fragment = fragment_of(sdp);
    sq_free(sdp);
    if (!fragment) {
        return SQ_ERR_NOMEM;
    }
    *ret_fragment = fragment;
    return 0;
}

static void on_restart(struct sq_httpd_request *request, struct sq_lab_member *member,
                       const char *body, const struct fragment *f)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char etag[32];
    char *fragment = NULL;
    if (f->ufrag.len < 4 || f->pwd.len < 22) { /* RFC 8839, section 5.4 */
        sq_lab_http_say(request, 400, NULL,
                        "an ICE restart (If-Match: \"*\") needs new a=ice-ufrag and a=ice-pwd");
        return;
    }
    int err = restart(member, body, f, &fragment, why);
    if (err) {
        refuse_offer(request, err, why);
        return;
    }
    snprintf(etag, sizeof(etag), "ETag: \"%u\"", ++member->etag);
    const char *const headers[] = {cors_origin, cors_expose, frag_line, etag, NULL};
    (void)sq_httpd_reply(request, 200, headers, fragment, strlen(fragment));
    sq_free(fragment);
}

static void on_patch(struct sq_httpd_request *request, struct sq_lab_member *member)
{
    char etag[32];
    size_t len;
    const char *body = sq_httpd_body(request, &len);
    const char *match = sq_httpd_header(request, "If-Match");
    snprintf(etag, sizeof(etag), "\"%u\"", member->etag);
    if (!type_is(request, FRAG_TYPE)) {
        sq_lab_http_say(request, 415, accept_patch, "expected a fragment of type %s", FRAG_TYPE);
        return;
    }
    struct fragment f = read_fragment(body);
    if (!f.valid || strlen(body) != len) {
        sq_lab_http_say(request, 400, NULL, "not an SDP fragment (RFC 8840, section 9)");
    } else if (!match) {
        /* RFC 9725, section 4.3.1 */
        sq_lab_http_say(request, 428, NULL,
                        "If-Match is needed: the session's ETag, or \"*\" to restart ICE");
    } else if (strcmp(match, "*") == 0 || strcmp(match, "\"*\"") == 0) {
        on_restart(request, member, body, &f);
    } else if (strcmp(match, etag) != 0) {
        sq_lab_http_say(request, 412, NULL, "If-Match is %.40s, the session's ETag is %s", match,
                        etag);
    } else {
        add_candidates(member, body);
        sq_lab_http_say(request, 204, NULL, "%s", "");
    }
}

/* ---- Routes ---- */

static void on_options(struct sq_httpd_request *request, const struct resource *r)
{
    bool session = r->id[0] != '\0';
    const char *const headers[] = {
        cors_origin,
        cors_expose,
        session ? "Allow: OPTIONS, PATCH, DELETE" : "Allow: OPTIONS, POST",
        session ? "Access-Control-Allow-Methods: OPTIONS, PATCH, DELETE"
                : "Access-Control-Allow-Methods: OPTIONS, POST",
        "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match",
        "Access-Control-Max-Age: 600",
        session ? accept_patch : accept_post,
        NULL};
    (void)sq_httpd_reply(request, 204, headers, NULL, 0);
}

static bool read_path(const char *rest, struct resource *r)
{
    const char *slash = strchr(rest, '/');
    size_t len = slash ? (size_t)(slash - rest) : strlen(rest);
    if (len == 0 || len > SQ_ROOM_NAME_MAX) {
        return false;
    }
    memcpy(r->stream, rest, len);
    r->stream[len] = '\0';
    r->id = slash ? slash + 1 : "";
    return !slash || r->id[0];
}

static void on_session(struct sq_lab *lab, struct sq_httpd_request *request,
                       const struct resource *r, const char *method)
{
    struct sq_lab_member *member =
        sq_lab_member_by_id(lab, r->whep ? SQ_LAB_WHEP : SQ_LAB_WHIP, r->stream, r->id);
    if (!member) {
        sq_lab_http_say(request, 404, NULL, "there is no such %s session (any more)", word(r));
    } else if (strcmp(method, "PATCH") == 0) {
        on_patch(request, member);
    } else if (strcmp(method, "DELETE") == 0) {
        sq_lab_member_free(member);
        sq_lab_http_say(request, 200, NULL, "%s", "");
    } else {
        sq_lab_http_say(request, 405, "Allow: OPTIONS, PATCH, DELETE",
                        "%.20s is not allowed on a %s session", method, word(r));
    }
}

void sq_lab_on_whip(struct sq_lab *lab, struct sq_httpd_request *request, bool whep,
                    const char *rest)
{
    struct resource r = {.whep = whep};
    const char *method = sq_httpd_method(request);
    if (!read_path(rest, &r)) {
        sq_lab_http_say(request, 404, NULL, "expected /%s/STREAM, the name at most %d bytes long",
                        whep ? "whep" : "whip", SQ_ROOM_NAME_MAX);
    } else if (strcmp(method, "OPTIONS") == 0) {
        on_options(request, &r);
    } else if (!sq_lab_http_authorized(lab, request)) {
        return;
    } else if (r.id[0]) {
        on_session(lab, request, &r, method);
    } else if (strcmp(method, "POST") == 0) {
        on_post(lab, request, &r);
    } else {
        /* RFC 9725, section 4.2: GET, HEAD and PUT are kept for later versions. */
        sq_lab_http_say(request, 405, "Allow: OPTIONS, POST",
                        "%.20s is not allowed on a %s end point", method, word(&r));
    }
}
