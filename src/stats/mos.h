/* MOS of a call's audio by the E-model (ITU-T G.107, 06/2015), all that is not measured at the
 * standard's defaults; codecs by G.113, Appendix I, and where that has none as docs/score.md says.
 * The scale is that of narrow-band telephony for every codec: 4.41 is the best. Pure functions. */
#ifndef SQ_STATS_MOS_H
#define SQ_STATS_MOS_H

#define SQ_MOS_LEAST 1.0 /* who was to hear something and heard nothing */

/* How a codec sounds without loss (Ie) and how well it stands loss (Bpl, per cent). */
struct sq_mos_codec {
    const char *name; /* as in a=rtpmap */
    double ie, bpl;
};

struct sq_mos_input {
    double delay_ms;     /* one way, from mouth to ear: the path's and the jitter buffer's */
    double loss_percent; /* of the sound that was played: what had to be made up */
    double burst_ratio;  /* mean length of a gap over that of random loss; NAN or < 1: 1 */
    const struct sq_mos_codec *codec; /* nullable: not known, and no MOS */
};

/* By the name in a=rtpmap, in any case; NULL: not a codec of this table. */
const struct sq_mos_codec *sq_mos_codec(const char *name);
/* Mean length of a gap, in packets, over what random loss of the same share makes; 1 at least, and
 * 1 where there is none. `gaps`: how many; `lost` and `all` in any unit of which `packet` is one
 * packet's. */
double sq_mos_burst_ratio(double gaps, double lost, double all, double packet);
/* Id, 0 at no delay: what delay costs of R. Below 0 counts as 0; NAN gives NAN. */
double sq_mos_delay_impairment(double delay_ms);
/* Ie,eff: what the codec and loss cost. Loss below 0 counts as 0, above 100 as 100; NAN gives NAN.
 */
double sq_mos_loss_impairment(const struct sq_mos_codec *codec, double loss_percent,
                              double burst_ratio);
/* R, 93.2 without delay and loss; may be negative. NAN where delay, loss or codec is not known. */
double sq_mos_rating(const struct sq_mos_input *in);
/* MOS (1 to 4.5) of a rating (Annex B). NAN gives NAN. */
double sq_mos_of_rating(double r);
double sq_mos(const struct sq_mos_input *in);

#endif
