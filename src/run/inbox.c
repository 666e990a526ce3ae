#include "run/inbox.h"

#include "base/mem.h"
#include <string.h>

struct sq_inbox_message *sq_inbox_take(struct sq_inbox *inbox)
{
    struct sq_inbox_message *m = inbox->first;
    if (m) {
        inbox->first = m->next;
        inbox->last = m->next ? inbox->last : NULL;
        inbox->n--;
        inbox->bytes -= m->len;
        m->next = NULL;
    }
    return m;
}

void sq_inbox_put(struct sq_inbox *inbox, const char *label, const void *data, size_t len)
{
    size_t label_len = label ? strlen(label) : 0;
    struct sq_inbox_message *m =
        len <= SQ_INBOX_BYTES_MAX ? sq_malloc(sizeof(*m) + len + 1 + label_len + 1) : NULL;
    if (!m) {
        inbox->dropped++;
        return;
    }
    char *name = m->text + len + 1;
    if (len > 0) {
        memcpy(m->text, data, len);
    }
    m->text[len] = '\0';
    memcpy(name, label ? label : "", label_len + 1);
    m->label = name;
    m->len = len;
    m->next = NULL;
    while (inbox->n == SQ_INBOX_MESSAGES_MAX || inbox->bytes + len > SQ_INBOX_BYTES_MAX) {
        sq_free(sq_inbox_take(inbox));
        inbox->dropped++;
    }
    if (inbox->last) {
        inbox->last->next = m;
    } else {
        inbox->first = m;
    }
    inbox->last = m;
    inbox->n++;
    inbox->bytes += len;
}

void sq_inbox_clear(struct sq_inbox *inbox)
{
    while (inbox->first) {
        sq_free(sq_inbox_take(inbox));
    }
}
