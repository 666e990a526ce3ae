#include "stats/mos.h"

#include <math.h>
#include <stddef.h>
#include <strings.h>

/* Of G.107 at its defaults (table 2): basic signal-to-noise ratio less simultaneous impairments
 * (sections 7.2 and 7.3). The test computes both out of the defaults. */
#define RO 94.769
#define IS 1.416

#define TELR        65.0  /* dB, talker echo loudness rating */
#define WEPL        110.0 /* dB, weighted echo path loss */
#define DELAY_MT_MS 100.0 /* mT: delay that nobody minds */
#define BURST_MAX   8.0   /* a longer gap is one call that broke off, not loss in bursts */
#define LOSS_WEIGHT 95.0  /* what full loss costs in Ie,eff */
#define LOSS_MAX    100.0

/* G.711 with packet loss concealment: G.113, table I.4. Opus and G.722 have no values on this scale
 * in G.113: see docs/score.md for what is assumed. */
static const struct sq_mos_codec codecs[] = {
    {"PCMU", 0, 25.1},
    {"PCMA", 0, 25.1},
    {"opus", 0, 10},
    {"G722", 0, 10},
};

const struct sq_mos_codec *sq_mos_codec(const char *name)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        if (strcasecmp(codecs[i].name, name) == 0) {
            return &codecs[i];
        }
    }
    return NULL;
}

double sq_mos_burst_ratio(double gaps, double lost, double all, double packet)
{
    if (!(gaps > 0) || !(lost > 0) || !(packet > 0) || !(all >= lost)) {
        return 1;
    }
    double ratio = lost / gaps / packet * (1 - lost / all);
    return ratio > 1 ? fmin(ratio, BURST_MAX) : 1;
}

/* sqrt((a / 2)^2 + b) + a / 2, as echo impairments are made of a level. */
static double soft_positive(double a, double b)
{
    return a / 2 + sqrt(a * a / 4 + b);
}

/* Idte (section 7.4): one hears one's own voice come back. Below 1 ms it is sidetone. */
static double talker_echo(double t_ms)
{
    if (t_ms < 1) {
        return 0;
    }
    double terv =
        TELR - 40 * log10((1 + t_ms / 10) / (1 + t_ms / 150)) + 6 * exp(-0.3 * t_ms * t_ms);
    double re = 80 + 2.5 * (terv - 14);
    return fmax(soft_positive(RO - re, 100) - 1, 0) * (1 - exp(-t_ms));
}

/* Idle (section 7.4), by the round trip in the four-wire loop. */
static double listener_echo(double round_trip_ms)
{
    double rle = 10.5 * (WEPL + 7) * pow(round_trip_ms + 1, -0.25);
    return soft_positive(RO - rle, 169);
}

/* Idd (section 7.4): without any echo, one waits for the other. */
static double pure_delay(double t_ms)
{
    if (t_ms <= DELAY_MT_MS) {
        return 0;
    }
    double x = log2(t_ms / DELAY_MT_MS);
    return 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2);
}

/* What listener echo costs at no delay, 0.15, is a part of 93.2. */
double sq_mos_delay_impairment(double delay_ms)
{
    if (isnan(delay_ms)) {
        return NAN;
    }
    double t = fmax(delay_ms, 0);
    return talker_echo(t) + listener_echo(2 * t) - listener_echo(0) + pure_delay(t);
}

/* Section 7.5. */
double sq_mos_loss_impairment(const struct sq_mos_codec *codec, double loss_percent,
                              double burst_ratio)
{
    if (!codec || isnan(loss_percent)) {
        return NAN;
    }
    double loss = fmin(fmax(loss_percent, 0), LOSS_MAX);
    double burst = burst_ratio > 1 ? fmin(burst_ratio, BURST_MAX) : 1;
    /* Much loss in long gaps comes out above 1: nothing costs more than all of it. */
    double share = fmin(loss / (loss / burst + codec->bpl), 1);
    return codec->ie + (LOSS_WEIGHT - codec->ie) * share;
}

double sq_mos_rating(const struct sq_mos_input *in)
{
    return RO - IS - listener_echo(0) - sq_mos_delay_impairment(in->delay_ms) -
           sq_mos_loss_impairment(in->codec, in->loss_percent, in->burst_ratio);
}

/* Annex B. Its polynomial dips below 1 at ratings from 0 to 6.5, where all is as bad as can be. */
double sq_mos_of_rating(double r)
{
    if (isnan(r)) {
        return NAN;
    }
    double at = fmin(fmax(r, 0), 100);
    return fmax(SQ_MOS_LEAST, 1 + 0.035 * at + at * (at - 60) * (100 - at) * 7e-6);
}

double sq_mos(const struct sq_mos_input *in)
{
    return sq_mos_of_rating(sq_mos_rating(in));
}
