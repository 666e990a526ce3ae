/* Encodes a picture as scalable VP9, L3T3_KEY: three spatial layers that refer to the one below in
 * key pictures only, and three temporal ones. ffmpeg has no spatial layers, so this speaks to
 * libvpx. Each layer's frame becomes a frame of the IVF file; those of one picture have one time.
 *
 *   cc -O2 tools/vp9-svc.c -lvpx -o vp9-svc
 *   vp9-svc IN.y4m OUT.ivf KBITS,KBITS,KBITS KEYFRAME,KEYFRAME,…
 *
 * The bit rates are those of each spatial layer alone, the lowest first. IN has 8 bits in 4:2:0. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#define LAYERS 3

static FILE *out;
static uint32_t written;

static void die(const char *what)
{
    (void)fprintf(stderr, "vp9-svc: %s\n", what);
    exit(1);
}

static void put_le(uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        if (fputc((int)(value >> (8 * i) & 0xff), out) == EOF) {
            die("cannot write");
        }
    }
}

static void put_head(unsigned width, unsigned height, unsigned rate, unsigned scale)
{
    rewind(out);
    if (fwrite("DKIF\0\0\x20\0VP90", 1, 12, out) != 12) {
        die("cannot write");
    }
    put_le(width, 2);
    put_le(height, 2);
    put_le(rate, 4);
    put_le(scale, 4);
    put_le(written, 4);
    put_le(0, 4);
}

/* A layer's frame, with no superframe around it. */
static void on_layer(vpx_codec_cx_pkt_t *pkt, void *user)
{
    (void)user;
    put_le(pkt->data.frame.sz, 4);
    put_le((uint64_t)pkt->data.frame.pts, 8);
    if (fwrite(pkt->data.frame.buf, 1, pkt->data.frame.sz, out) != pkt->data.frame.sz) {
        die("cannot write");
    }
    written++;
}

static void configure(vpx_codec_enc_cfg_t *cfg, const unsigned kbits[LAYERS])
{
    static const unsigned decimator[LAYERS] = {4, 2, 1};
    static const unsigned turn[4] = {0, 2, 1, 2};
    static const unsigned share[LAYERS] = {50, 70, 100}; /* per cent up to a temporal layer */
    cfg->rc_end_usage = VPX_CBR;
    cfg->rc_dropframe_thresh = 0;
    cfg->rc_min_quantizer = 2;
    cfg->rc_max_quantizer = 56;
    cfg->rc_undershoot_pct = 50;
    cfg->rc_overshoot_pct = 50;
    cfg->rc_buf_initial_sz = 500;
    cfg->rc_buf_optimal_sz = 600;
    cfg->rc_buf_sz = 1000;
    cfg->kf_mode = VPX_KF_DISABLED;
    cfg->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
    cfg->g_lag_in_frames = 0;
    cfg->g_pass = VPX_RC_ONE_PASS;
    cfg->g_threads = 1;
    cfg->ss_number_layers = LAYERS;
    cfg->ts_number_layers = LAYERS;
    cfg->ts_periodicity = 4;
    cfg->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_0212;
    memcpy(cfg->ts_layer_id, turn, sizeof(turn));
    cfg->rc_target_bitrate = 0;
    for (unsigned s = 0; s < LAYERS; s++) {
        cfg->ts_rate_decimator[s] = decimator[s];
        cfg->ss_target_bitrate[s] = kbits[s];
        cfg->rc_target_bitrate += kbits[s];
        for (unsigned t = 0; t < LAYERS; t++) {
            cfg->layer_target_bitrate[s * LAYERS + t] = kbits[s] * share[t] / 100;
        }
    }
}

static void control(vpx_codec_ctx_t *codec)
{
    vpx_svc_extra_cfg_t svc;
    memset(&svc, 0, sizeof(svc));
    for (unsigned s = 0; s < LAYERS; s++) {
        svc.scaling_factor_num[s] = 1;
        svc.scaling_factor_den[s] = 1 << (LAYERS - 1 - s);
        svc.speed_per_layer[s] = 6;
    }
    for (unsigned i = 0; i < LAYERS * LAYERS; i++) {
        svc.max_quantizers[i] = 56;
        svc.min_quantizers[i] = 2;
    }
    vpx_codec_priv_output_cx_pkt_cb_pair_t callback = {on_layer, NULL};
    if (vpx_codec_control(codec, VP9E_SET_SVC, 1) ||
        vpx_codec_control(codec, VP9E_SET_SVC_PARAMETERS, &svc) ||
        vpx_codec_control(codec, VP8E_SET_CPUUSED, 6) ||
        vpx_codec_control(codec, VP9E_SET_SVC_INTER_LAYER_PRED, 2) || /* key pictures only */
        vpx_codec_control(codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, 120) ||
        vpx_codec_control(codec, VP9E_SET_AQ_MODE, 3) ||
        vpx_codec_control(codec, VP9E_REGISTER_CX_CALLBACK, &callback)) {
        die("libvpx refuses its settings");
    }
}

static int is_key(const char *list, unsigned frame)
{
    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if ((unsigned)strtoul(at, NULL, 10) == frame) {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned kbits[LAYERS];
    unsigned width, height, rate, scale;
    char line[256];
    if (argc != 5 || sscanf(argv[3], "%u,%u,%u", &kbits[0], &kbits[1], &kbits[2]) != LAYERS) {
        die("expected IN.y4m OUT.ivf KBITS,KBITS,KBITS KEYFRAMES");
    }
    FILE *in = fopen(argv[1], "rb");
    out = fopen(argv[2], "wb");
    if (!in || !out || !fgets(line, sizeof(line), in) ||
        sscanf(line, "YUV4MPEG2 W%u H%u F%u:%u", &width, &height, &rate, &scale) != 4) {
        die("cannot open, or not a YUV4MPEG2 file");
    }
    vpx_codec_enc_cfg_t cfg;
    vpx_codec_ctx_t codec;
    vpx_image_t image;
    if (vpx_codec_enc_config_default(vpx_codec_vp9_cx(), &cfg, 0)) {
        die("no VP9 encoder");
    }
    cfg.g_w = width;
    cfg.g_h = height;
    cfg.g_timebase = (struct vpx_rational){(int)scale, (int)rate};
    configure(&cfg, kbits);
    if (vpx_codec_enc_init(&codec, vpx_codec_vp9_cx(), &cfg, 0) ||
        !vpx_img_alloc(&image, VPX_IMG_FMT_I420, width, height, 1)) {
        die("cannot begin");
    }
    control(&codec);
    put_head(width, height, rate, scale);
    size_t bytes = (size_t)width * height * 3 / 2;
    for (unsigned frame = 0; fgets(line, sizeof(line), in); frame++) {
        if (fread(image.img_data, 1, bytes, in) != bytes) {
            die("the picture ends early");
        }
        if (vpx_codec_encode(&codec, &image, frame, 1,
                             is_key(argv[4], frame) ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME)) {
            die(vpx_codec_error_detail(&codec));
        }
        vpx_codec_iter_t iter = NULL;
        while (vpx_codec_get_cx_data(&codec, &iter)) {
        }
    }
    put_head(width, height, rate, scale);
    vpx_img_free(&image);
    (void)vpx_codec_destroy(&codec);
    return fclose(out) == 0 ? 0 : 1;
}
