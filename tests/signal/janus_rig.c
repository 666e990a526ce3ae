#include "signal/janus_rig.h"

#include "net/until.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fake_janus janus;
struct sig_host host;

void jr_start(void)
{
    fake_start(&janus);
    sig_host_init(&host);
}

void jr_open(const char *query)
{
    char url[256];
    snprintf(url, sizeof(url), "%s?%s", janus.url, query);
    sig_host_open(&host, url);
}

void jr_stop(void)
{
    sig_host_close(&host);
    fake_stop(&janus);
}

int jr_set_up(void **state)
{
    jr_start();
    return 0;
}

int jr_tear_down(void **state)
{
    jr_stop();
    return 0;
}

void jr_wait_joined(void)
{
    RUN_UNTIL(sig_loop(), host.joined || sig_host_over(&host));
    if (host.failed) {
        fail_msg("%s: %s", sq_cause_name(host.cause), host.text);
    }
    assert_int_equal(host.joined, 1);
}

void jr_join(const char *query)
{
    jr_open(query);
    jr_wait_joined();
}

const char *jr_member(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
