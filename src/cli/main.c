/* squall: tests real-time communication services the way their users meet them. */
#include "base/mem.h"
#include "cli/cli.h"
#include "net/net.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", sq_cmd_run, "drive peers through a service, and say whether it held"},
    {"check", sq_cmd_check, "what a run would do, and what is wrong with its scenario"},
    {"capacity", sq_cmd_capacity,
     "how much a service holds: the largest load, and what broke first"},
    {"compare", sq_cmd_compare, "results beside each other: what is worse, by more than noise"},
    {"lab", sq_cmd_lab, "a small complete service to aim at: rooms, WHIP, WHEP, STUN, an SFU"},
    {"pair", sq_cmd_pair, "connect two machines by two codes carried by hand, and measure"},
    {"explain", sq_cmd_explain, "what a metric is, its unit, what is good, and how it is judged"},
    {"media", sq_cmd_media, "make a clip of any file, see what is in one, send a recorded stream"},
};

int sq_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("squall: ", stderr);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nsquall %s --help tells more.\n", command);
    va_end(args);
    return SQ_EXIT_USAGE;
}

int sq_exit_code(int code, int err, const char *why)
{
    if (!err) {
        return code;
    }
    int ends = code == SQ_EXIT_HELD ? SQ_EXIT_USAGE : code;
    fprintf(stderr, "squall: %s (exit code %d)\n", why[0] ? why : sq_err_name(err), ends);
    return ends;
}

static int print_help(FILE *out)
{
    fputs("Usage: squall COMMAND …\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
    }
    fputs("\n  squall COMMAND --help   what a command takes\n  squall --version\n\n"
          "A first test, on this machine alone:  squall run lab: --peers 5 --duration 10s\n",
          out);
    return out == stdout ? SQ_EXIT_HELD : SQ_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return print_help(stderr);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return print_help(stdout);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("squall %s (%s)\n", SQ_VERSION, SQ_COMMIT);
        return SQ_EXIT_HELD;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            (void)sq_mem_use_huge_pages();
            if (sq_net_init() != 0) {
                fputs("squall: the network libraries do not start\n", stderr);
                return SQ_EXIT_USAGE;
            }
            int code = commands[i].run(argc - 2, argv + 2);
            sq_net_cleanup();
            return code;
        }
    }
    fprintf(stderr, "squall: unknown command '%s'\n\n", argv[1]);
    return print_help(stderr);
}
