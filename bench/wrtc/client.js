// A WHIP client on libwebrtc in Node (@roamhq/wrtc): speech-like noise and, with --video, a moving picture at
// 640x360, 25 frames/s and 1 Mbit/s, sent to an echo. Says `holding` on stderr once media has run for a while,
// and ends with one line of JSON of the same names as bench/pion's.
//   node client.js URL CLIENTS WARM_S HOLD_S [--video]
'use strict';
const { RTCPeerConnection, nonstandard } = require('@roamhq/wrtc');
const { RTCVideoSource, RTCAudioSource } = nonstandard;

const [url, clientsText, warmText, holdText] = process.argv.slice(2);
const clients = Number(clientsText);
const video = process.argv.includes('--video');
const WIDTH = 640, HEIGHT = 360, FPS = 25, VIDEO_BPS = 1000000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const cpuUs = () => { const used = process.cpuUsage(); return used.user + used.system; };

// A few pictures made beforehand and shown in turn: grain, and a bar that moves, so that the encoder needs its rate.
function pictures() {
    const made = [];
    for (let n = 0; n < 10; n++) {
        const data = new Uint8ClampedArray(WIDTH * HEIGHT * 1.5).fill(128);
        for (let y = 0; y < HEIGHT; y++) {
            for (let x = 0; x < WIDTH; x++) {
                const bar = (x + 37 * n) % 320 < 60;
                data[y * WIDTH + x] = (bar ? 200 : 60 + (x ^ y) % 64) + Math.random() * 24;
            }
        }
        made.push({ width: WIDTH, height: HEIGHT, data });
    }
    return made;
}

function everyMs(period, what) {
    const start = performance.now();
    let n = 0;
    const tick = () => {
        what(n++);
        setTimeout(tick, Math.max(0, start + n * period - performance.now())).unref();
    };
    tick();
}

async function connect(sources) {
    const pc = new RTCPeerConnection();
    pc.addTransceiver(sources.audio.createTrack(), { direction: 'sendrecv' });
    if (video) {
        const { sender } = pc.addTransceiver(sources.video.createTrack(), { direction: 'sendrecv' });
        const parameters = sender.getParameters();
        parameters.encodings = [{ maxBitrate: VIDEO_BPS }];
        await sender.setParameters(parameters).catch(() => {});
    }
    await pc.setLocalDescription(await pc.createOffer());
    await new Promise((resolve) => {
        const done = () => pc.iceGatheringState === 'complete' && resolve();
        pc.addEventListener('icegatheringstatechange', done);
        done();
    });
    // The encoder starts at 300 kbit/s and climbs; the window must see the full rate.
    const sdp = pc.localDescription.sdp;
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: sdp });
    if (answer.status !== 201) {
        throw new Error(`WHIP: ${answer.status} ${await answer.text()}`);
    }
    const rate = 'x-google-start-bitrate=1000;x-google-min-bitrate=950;x-google-max-bitrate=1000';
    const text = (await answer.text()).replace(/a=rtpmap:(\d+) VP8\/90000\r\n/, (line, pt) => `${line}a=fmtp:${pt} ${rate}\r\n`);
    await pc.setRemoteDescription({ type: 'answer', sdp: text });
    const end = Date.now() + 15000;
    while (pc.connectionState !== 'connected') {
        if (Date.now() > end) {
            throw new Error(`not connected: ${pc.connectionState}`);
        }
        await sleep(5);
    }
    return pc;
}

async function counts(pc) {
    const sum = { sent: 0, audio: 0, video: 0 };
    (await pc.getStats()).forEach((s) => {
        if (s.type === 'outbound-rtp') sum.sent += s.packetsSent;
        if (s.type === 'inbound-rtp') sum[s.kind || s.mediaType] += s.packetsReceived;
    });
    return sum;
}

async function main() {
    const sources = { audio: new RTCAudioSource(), video: new RTCVideoSource() };
    const result = { clients, connected: 0, no_media: 0, first_error: '' };
    const cpuBefore = cpuUs(), begun = Date.now();
    const pcs = [];
    for (let i = 0; i < clients; i++) {
        try {
            pcs.push(await connect(sources));
        } catch (error) {
            result.first_error = result.first_error || String(error);
        }
    }
    result.connected = pcs.length;
    result.setup_cpu_us_per_client = (cpuUs() - cpuBefore) / clients;
    result.setups_per_second = 1000 * pcs.length / (Date.now() - begun);
    if (video) {
        const shown = pictures();
        everyMs(1000 / FPS, (n) => sources.video.onFrame(shown[n % shown.length]));
    }
    const samples = new Int16Array(480);
    everyMs(10, (n) => {
        for (let i = 0; i < samples.length; i++) {
            samples[i] = 3000 * Math.sin((n * 480 + i) / 30) + 2000 * (Math.random() - 0.5);
        }
        sources.audio.onData({ samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
    });
    await sleep(1000 * Number(warmText));
    const before = await Promise.all(pcs.map(counts));
    const start = performance.now();
    process.stderr.write('holding\n');
    await sleep(1000 * Number(holdText));
    const after = await Promise.all(pcs.map(counts));
    const seconds = (performance.now() - start) / 1000;
    const rate = (key) => after.reduce((sum, now, i) => sum + now[key] - before[i][key], 0) / seconds / clients;
    result.no_media = after.filter((now, i) => now.audio === before[i].audio || (video && now.video === before[i].video)).length;
    result.sent_packets_per_client_second = rate('sent');
    result.received_audio_packets_per_client_second = rate('audio');
    result.received_video_packets_per_client_second = rate('video');
    console.log(JSON.stringify(result));
    process.exit(result.connected === clients && !result.no_media ? 0 : 1);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
