#include "cli/run_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct sq_run_table *table, const struct sq_option *rows, size_t n)
{
    if (table->n + n >= SQ_RUN_TABLE_MAX) {
        abort(); /* with any arguments: SQ_RUN_TABLE_MAX is too small for what stands below */
    }
    memcpy(&table->rows[table->n], rows, n * sizeof(*rows));
    table->n += n;
}

static void add_load(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Load", .type = SQ_OPTION_HEADING},
        {"peers", SQ_OPTION_COUNT, &o->peers, "N",
         "peers at once (default 1, or those of a scenario's rooms; with rates of --load or "
         "--arrivals "
         "the most at once)",
         1, SQ_PLAN_PEERS_MAX},
        {"rate", SQ_OPTION_RATE, &o->rate_per_s, "R",
         "arrivals, such as 20/s or 90/m (default: all within 10 s, or a third of the run)", 0, 0},
        {"duration", SQ_OPTION_DURATION, &o->duration_ns, "D",
         "of the whole run, ramp down left out (default 30s)", 0, 0},
        {"hold", SQ_OPTION_DURATION, &o->hold_ns, "D",
         "how long each peer stays (default: until the end)", 0, 0},
        {"ramp", SQ_OPTION_TEXT, &o->ramp, "UP[:DOWN]",
         "bring all peers up over UP (0s: all at once), and down over DOWN", 0, 0},
        {"users", SQ_OPTION_TEXT, &o->users, "FILE.csv",
         "a row for each peer: the target and --token may have ${user.COLUMN} in them", 0, 0},
        {"users-order", SQ_OPTION_TEXT, &o->users_order, "ORDER",
         "sequential (default, over and over), random, or unique", 0, 0},
        {"threads", SQ_OPTION_COUNT, &o->threads, "N", "generator threads (default: one a core)", 1,
         SQ_PLAN_THREADS_MAX},
        {"realtime", SQ_OPTION_FLAG, &o->realtime, NULL,
         "they go before all else on their cores (as root, or with CAP_SYS_NICE)", 0, 0},
    };
    struct sq_option shapes[SQ_LOAD_OPTIONS];
    sq_load_option_rows(&o->load, shapes);
    add(table, rows, sizeof(rows) / sizeof(*rows));
    add(table, shapes, SQ_LOAD_OPTIONS);
}

static void add_media(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Rooms and media", .type = SQ_OPTION_HEADING},
        {"room", SQ_OPTION_TEXT, &o->room, "NAME",
         "room, or the prefix of their names (default: the target's ?room=, or squall)", 0, 0},
        {"room-size", SQ_OPTION_COUNT, &o->room_size, "N", "peers a room (default: all in one)", 1,
         SQ_PLAN_PEERS_MAX},
        {"publishers", SQ_OPTION_COUNT, &o->publishers, "N",
         "of each room; the others only watch (default: all)", 0, SQ_PLAN_PEERS_MAX},
        {"no-listen", SQ_OPTION_NO_FLAG, &o->listen, NULL, "publishers do not watch", 0, 0},
        {"echo", SQ_OPTION_FLAG, &o->echo, NULL, "by WHIP: ask the server to send the media back",
         0, 0},
        {"media", SQ_OPTION_TEXT, &o->media, "CLIP",
         "what is sent: default, small, hd, or a .sqclip file", 0, 0},
        {"latency", SQ_OPTION_FLAG, &o->latency, NULL,
         "measure one-way latency by time-tags in frames (on if an expectation names it)", 0, 0},
        {"simulcast", SQ_OPTION_COUNT, &o->simulcast, "N",
         "send the video in 2 or 3 layers (RFC 8853)", 2, 3},
        {"codec", SQ_OPTION_LIST, &o->codecs, "KIND=LIST",
         "the preferred one first: video=h264,vp9+svc or audio=opus+stereo+red+fec,pcmu; may "
         "come again",
         0, 0},
        {"replay", SQ_OPTION_TEXT, &o->replay, "FILE",
         "send this rtpdump or pcap in the place of a clip, as 'squall media replay' does", 0, 0},
        {"pt", SQ_OPTION_TEXT, &o->replay_pt, "MAP",
         "of --replay: what its payload types are, such as 96=VP8,111=opus", 0, 0},
        {"bwe", SQ_OPTION_TEXT, &o->bwe, "HOW",
         "rate of what is sent: gcc (default), off (the clip's best) or fixed:RATE", 0, 0},
        {"no-audio", SQ_OPTION_NO_FLAG, &o->audio, NULL, "video only", 0, 0},
        {"no-video", SQ_OPTION_NO_FLAG, &o->video, NULL, "audio only", 0, 0},
        {"dtmf", SQ_OPTION_TEXT, &o->dtmf, "DIGITS[@SECONDS]",
         "press these keys (RFC 4733) so long after the call is up (default 1), a comma is 2 s", 0,
         0},
        {"data", SQ_OPTION_TEXT, &o->data, "RATE:SIZE",
         "messages on a data channel, such as 10/s:200 or max:16k", 0, 0},
        {"data-mode", SQ_OPTION_TEXT, &o->data_mode, "MODE",
         "ordered (default) or unordered, retransmits=N or lifetime=D", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_verdict(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Verdict", .type = SQ_OPTION_HEADING},
        {"expect", SQ_OPTION_LIST, &o->expect, "EXPR",
         "such as 'video.in.loss.p95 < 1%'; may come again", 0, 0},
        {"abort-on", SQ_OPTION_LIST, &o->abort_on, "EXPR[@DELAY]",
         "the same, and the run ends once it does not hold, from DELAY on (5s); may come again", 0,
         0},
        {"baseline", SQ_OPTION_LIST, &o->baselines, "DIR",
         "results of earlier runs: to be worse than those fails; may come again", 0, 0},
        {"baseline-threshold", SQ_OPTION_TEXT, &o->baseline_threshold, "P",
         "a change counts from P % on (default: as squall compare has it)", 0, 0},
        {"lateness-max", SQ_OPTION_NUMBER, &o->lateness_max_ms, "MS",
         "p99 of the generator's own timers (default 20)", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_results(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Results", .type = SQ_OPTION_HEADING},
        {"out", SQ_OPTION_TEXT, &o->out, "DIR",
         "results directory (default squall-results/RUN-ID); an earlier run's files in it are "
         "deleted",
         0, 0},
        {"json", SQ_OPTION_TEXT, &o->json, "FILE", "summary.json as one file; - is standard output",
         0, 0},
        {"junit", SQ_OPTION_TEXT, &o->junit, "FILE", "junit.xml as one file", 0, 0},
        {"html", SQ_OPTION_TEXT, &o->html, "FILE", "report.html as one file", 0, 0},
        {"markdown", SQ_OPTION_TEXT, &o->markdown, "FILE",
         "a summary for a job page, such as $GITHUB_STEP_SUMMARY; - is standard output", 0, 0},
        {"report-url", SQ_OPTION_TEXT, &o->report_url, "URL",
         "where people will find report.html, for the summary and for JUnit", 0, 0},
        {"github", SQ_OPTION_FLAG, &o->github, NULL,
         "what did not hold as ::error lines (so it is where GITHUB_ACTIONS is set)", 0, 0},
        {"prometheus", SQ_OPTION_TEXT, &o->prometheus, "[ADDR:]PORT",
         "while it runs, figures to scrape at /metrics", 0, 0},
        {"prometheus-push", SQ_OPTION_TEXT, &o->prometheus_push, "URL",
         "while it runs, and at its end, push them to a Pushgateway", 0, 0},
        {"dump", SQ_OPTION_COUNT, &o->dump, "N",
         "webrtc-internals dumps of the first N peers (failed ones always)", 0, 1000},
        {"decode", SQ_OPTION_COUNT, &o->decode, "N",
         "decode what the first N peers receive: does the picture move, is the voice heard?", 0,
         100},
        {"record", SQ_OPTION_COUNT, &o->record, "N",
         "record what the first N peers receive, into the folder record/ of the results", 1, 1000},
        {"record-sent", SQ_OPTION_FLAG, &o->record_sent, NULL, "and what they send", 0, 0},
        {"record-format", SQ_OPTION_TEXT, &o->record_format, "LIST",
         "some of webm (default), ogg, rtpdump, pcap, with commas", 0, 0},
        {"quiet", SQ_OPTION_FLAG, &o->quiet, NULL,
         "no progress, no closing text; one line if it did not hold", 0, 0},
        {"verbose", SQ_OPTION_FLAG, &o->verbose, NULL, "every metric in the closing text", 0, 0},
        {"no-tui", SQ_OPTION_NO_FLAG, &o->tui, NULL, "plain lines instead of the live view", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_connection(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Connection", .type = SQ_OPTION_HEADING},
        {"token", SQ_OPTION_TEXT, &o->token, "TEXT", "bearer token (or the variable SQUALL_TOKEN)",
         0, 0},
        {"insecure", SQ_OPTION_FLAG, &o->insecure, NULL, "do not verify the server's certificate",
         0, 0},
        {"script", SQ_OPTION_TEXT, &o->script, "FILE.lua",
         "of a lua target: the script that speaks its protocol", 0, 0},
        {"ca", SQ_OPTION_TEXT, &o->ca_file, "FILE",
         "PEM file of an authority to trust besides the system's", 0, 0},
        {"no-trickle", SQ_OPTION_NO_FLAG, &o->trickle, NULL,
         "all candidates within the description", 0, 0},
        {"stun", SQ_OPTION_LIST, &o->stun, "HOST:PORT", "STUN server; may come again", 0, 0},
        {"ice", SQ_OPTION_TEXT, &o->ice, "POLICY",
         "all (default), relay, or relay-first: connect by the relay, then go over to a direct "
         "path",
         0, 0},
        {"turn", SQ_OPTION_LIST, &o->turn, "URL",
         "turn:HOST[:PORT][?transport=tcp], turns:… (TLS; DTLS with ?transport=udp); may come "
         "again",
         0, 0},
        {"turn-user", SQ_OPTION_TEXT, &o->turn_user, "NAME",
         "for TURN (or the variable SQUALL_TURN_USER)", 0, 0},
        {"turn-password", SQ_OPTION_TEXT, &o->turn_password, "TEXT",
         "for TURN (better: the variable SQUALL_TURN_PASSWORD)", 0, 0},
        {"turn-secret", SQ_OPTION_TEXT, &o->turn_secret, "TEXT",
         "make time-limited TURN credentials of it (better: SQUALL_TURN_SECRET)", 0, 0},
        {"local-ip", SQ_OPTION_LIST, &o->local_ips, "IP",
         "send media from this address, or from the next one of A-B or A/BITS; may come again", 0,
         0},
        {"network", SQ_OPTION_LIST, &o->networks, "NETWORK[@SHARE%]",
         "a bad network under each peer: 'Poor 4G' and its like ('list' tells them), or "
         "rate=1M,delay=80ms,loss=2%; 'wifi, 20s: Poor 4G, 40s: down 3s' changes; may come again",
         0, 0},
        {"srtp", SQ_OPTION_TEXT, &o->srtp, "PROFILE", "offered first: gcm (default) or cm", 0, 0},
        {"reconnect", SQ_OPTION_TEXT, &o->reconnect, "HOW",
         "who is dropped comes back: now, backoff or backoff:1s-30s; ice+backoff restarts ICE "
         "first",
         0, 0},
        {"answer-timeout", SQ_OPTION_DURATION, &o->answer_timeout_ns, "D",
         "for each answer of the signalling (10s)", 0, 0},
        {"connect-timeout", SQ_OPTION_DURATION, &o->connect_timeout_ns, "D",
         "for ICE and DTLS (15s)", 0, 0},
        {"media-timeout", SQ_OPTION_DURATION, &o->media_timeout_ns, "D",
         "from connected to the first media (10s)", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_other(struct sq_run_table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Other", .type = SQ_OPTION_HEADING},
        {"scale", SQ_OPTION_TEXT, &o->scale, "F",
         "of a scenario: so much of its peers, rooms and times, such as 0.1; options given beside "
         "it hold as they are",
         0, 0},
        {"seed", SQ_OPTION_COUNT, &o->seed, "N", "of every random choice (default: by the clock)",
         0, SQ_RUN_SEED_MAX},
        {"help", SQ_OPTION_FLAG, &o->help, NULL, "this text", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

void sq_run_table_make(struct sq_run_options *o, struct sq_run_table *ret_table)
{
    *ret_table = (struct sq_run_table){.options = o};
    add_load(ret_table);
    add_media(ret_table);
    add_verdict(ret_table);
    add_results(ret_table);
    add_connection(ret_table);
    add_other(ret_table);
}

void sq_run_table_defaults(struct sq_run_options *o)
{
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    *o = (struct sq_run_options){
        .publishers = UINT64_MAX,
        .audio = true,
        .video = true,
        .listen = true,
        .trickle = true,
        .tui = true,
        .srtp = "gcm",
        .ice = "all",
        .seed = UINT64_MAX,
        .answer_timeout_ns = plan.answer_timeout_ns,
        .connect_timeout_ns = plan.connect_timeout_ns,
        .media_timeout_ns = plan.media_timeout_ns,
        .lateness_max_ms = plan.lateness_p99_max_ms,
    };
}

void sq_run_options_help(void)
{
    struct sq_run_options o;
    struct sq_run_table table;
    sq_run_table_defaults(&o);
    sq_run_table_make(&o, &table);
    puts("Usage: squall run TARGET [OPTION…]\n"
         "       squall run FILE.yaml [TARGET] [OPTION…]\n\n"
         "Drives peers through a service and says whether it held. FILE.yaml is a scenario, over "
         "which\n"
         "options win ('squall check FILE.yaml' says what it would do). TARGET is one of\n"
         "  lab:                                       the embedded lab's rooms (lab:echo, "
         "lab:whip,\n"
         "                                             lab:whip/NAME, lab:whep/NAME)\n"
         "  janus+ws://HOST:8188/?plugin=echotest      Janus (also videoroom&room=ID; janus+wss)\n"
         "  whip+https://HOST/PATH                     publish by WHIP (whip+http)\n"
         "  whep+https://HOST/PATH                     watch by WHEP (whep+http)\n"
         "  room+ws://HOST:PORT/room                   a lab somewhere else (room+wss)");
    sq_options_help(table.rows);
    puts("\nWhile it runs: + - change the rate of arrivals by 1/s, * / by 10/s, p pauses them, q "
         "ends the run;\n"
         "with --load of peers + - * / change their number, and with --arrivals there is q alone.\n"
         "Ctrl-C ends it in good order and keeps the results; a second one ends it at once.\n"
         "Exit codes: 0 held, 1 an expectation failed, 2 usage, 3 not reached, 4 the generator was "
         "the\n"
         "bottleneck, 130 interrupted.");
}
