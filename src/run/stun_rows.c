#include "run/stun_rows.h"

#include "peer/ice/ice.h"

_Static_assert(SQ_RESULT_STUN_MAX >= SQ_ICE_SERVERS_MAX, "a row for each server");

void sq_stun_rows_add(const struct sq_stun_servers *servers, const struct sq_carrier *carrier,
                      struct sq_result *result)
{
    for (size_t i = 0; i < servers->n; i++) {
        struct sq_stun_row *row = &result->stun[i];
        const struct sq_stun_counts *counts = sq_carrier_stun_counts(carrier, i);
        char address[SQ_ADDR_TEXT_MAX];
        SQ_RESULT_SET(row->address, sq_addr_format(&servers->addrs[i], address));
        SQ_RESULT_SET(row->server, servers->names ? servers->names[i] : address);
        row->asked += counts->asked;
        row->answered += counts->answered;
        row->failed += counts->failed;
        row->unanswered += counts->unanswered;
    }
    result->stun_count = servers->n;
}
