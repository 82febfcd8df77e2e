// SPDX-License-Identifier: MIT
// undici against a server on weir::http: undici.mjs UNDICI PORT. It ends with 0 when all held.

import { pathToFileURL } from 'node:url';
import { strict as assert } from 'node:assert';
import { Readable } from 'node:stream';

const undici = await import(pathToFileURL(process.argv[2] + '/index.js'));
const { Client, Pool, request, fetch } = undici.default;
const origin = `http://127.0.0.1:${process.argv[3]}`;
const big = new Uint8Array(3000000).map((_, i) => i * 31 + (i >> 8));

function pieces(count, size) {
  return Readable.from((function* () {
    for (let i = 0; i < count; i++) yield Buffer.alloc(size, i);
  })());
}

async function size_of(body) {
  return (await body.arrayBuffer()).byteLength;
}

const cases = {
  async 'every method it knows'() {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const { body } = await request(origin + '/digest', { method });
      assert.equal((await body.text()).split(' ')[0], method);
    }
    const head = await request(origin + '/bytes/1234', { method: 'HEAD' });
    assert.equal(head.headers['content-length'], '1234');
    assert.equal(await size_of(head.body), 0);
  },

  async 'bodies of each framing'() {
    for (const path of ['/bytes/0', '/bytes/3000000', '/chunks/3000000/999', '/chunks/5/1']) {
      const { statusCode, body } = await request(origin + path);
      assert.equal(statusCode, 200);
      const got = new Uint8Array(await body.arrayBuffer());
      assert.equal(got.length, Number(path.split('/')[2]));
      assert.ok(Buffer.from(got).equals(Buffer.from(big.subarray(0, got.length)
        .map((_, i) => (i % 65536) * 31 + ((i % 65536) >> 8)))));
    }
  },

  async 'uploads with a length and in chunks'() {
    for (const body of [Buffer.from(big), pieces(300, 7001), pieces(1, 1)]) {
      const { body: answer } = await request(origin + '/digest', { method: 'POST', body });
      const size = Number((await answer.text()).split(' ')[1]);
      assert.ok([3000000, 300 * 7001, 1].includes(size), `${size} bytes`);
    }
    const echo = await request(origin + '/echo', { method: 'POST', body: Buffer.from(big) });
    assert.ok(Buffer.from(await echo.body.arrayBuffer()).equals(Buffer.from(big)));
  },

  async 'trailers and interim answers'() {
    const { body, trailers } = await request(origin + '/trailers');
    assert.equal(await body.text(), 'one two');
    assert.equal(trailers['x-one'], 'first');
    assert.equal(trailers['x-two'], 'second');
    const seen = [];
    const hinted = await request(origin + '/interim', { onInfo: (info) => seen.push(info.statusCode) });
    assert.equal(await hinted.body.text(), 'hello');
    assert.deepEqual(seen, [103]);
  },

  async 'ten requests at once on one connection'() {
    const client = new Client(origin, { pipelining: 10 });
    const answers = await Promise.all([...Array(100).keys()].map(
      (i) => client.request({ path: `/bytes/${i}`, method: 'GET' }).then(({ body }) => size_of(body))));
    assert.deepEqual(answers, [...Array(100).keys()]);
    await client.close();
  },

  async 'a pool of connections'() {
    const pool = new Pool(origin, { connections: 8 });
    await Promise.all([...Array(400).keys()].map(async (i) => {
      const path = i % 2 ? `/chunks/${i * 100}/777` : '/digest';
      const { body } = await pool.request(
        i % 2 ? { path, method: 'GET' } : { path, method: 'PUT', body: Buffer.alloc(i * 100) });
      const text = Buffer.from(await body.arrayBuffer());
      assert.equal(i % 2 ? text.length : Number(text.toString().split(' ')[1]), i * 100);
    }));
    await pool.close();
  },

  async 'a request that is given up'() {
    for (let i = 0; i < 5; i++) {
      const abort = new AbortController();
      const { body } = await request(origin + '/chunks/500000000/9000', { signal: abort.signal });
      await assert.rejects(async () => { for await (const _ of body) abort.abort(); });
    }
    assert.equal(await (await request(origin + '/')).body.text(), 'hello');
  },

  async 'upgrade'() {
    const { socket } = await new Client(origin).upgrade({ path: '/upgrade', protocol: 'echo' });
    const got = new Promise((resolve) => socket.once('data', resolve));
    socket.write('raw bytes');
    assert.equal((await got).toString(), 'raw bytes');
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.end();
    await ended;
  },

  async 'fetch'() {
    const answer = await fetch(origin + '/echo', { method: 'POST', body: 'said' });
    assert.equal(await answer.text(), 'said');
    const streamed = await fetch(origin + '/digest',
      { method: 'POST', duplex: 'half', body: Readable.toWeb(pieces(10, 1000)) });
    assert.equal((await streamed.text()).split(' ')[1], '10000');
    assert.equal((await fetch(origin + '/status/404')).status, 404);
  },
};

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
  } catch (failure) {
    console.log(`${name}: ${failure.stack}`);
    process.exit(1);
  }
}
process.exit(0);
