// The library in the browser: its module, in a worker where there is one, and in the page itself otherwise.
'use strict';

const FlowEngine = (() => {
  // A module that is valid only where there are vector instructions: i8x16.splat and i8x16.popcnt.
  const VECTORS = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

  // What answers calls. It is given to a worker as text, so it uses nothing outside itself.
  async function host(glue, bytes) {
    const bindings = glue();
    await bindings({ module_or_path: bytes });
    let session = null;
    const rows = (cells, first, end, t) => session.log_density(t, cells, first, end);
    const calls = {
      create({ points, path, coupling, seed }) {
        if (session) session.free();
        session = null;
        session = new bindings.Session(points, path, coupling, seed);
      },
      train: ({ steps }) => session.train(steps),
      ways({ sampler, steps, count }) {
        const ways = session.trajectories(sampler, steps, count);
        const answer = { times: ways.times(), coordinates: ways.coordinates(), count };
        ways.free();
        return answer;
      },
      density: ({ t, cells, first, end }) => rows(cells, first, end, t),
      distance: ({ sampler, steps, count }) => session.energy_distance(sampler, steps, count),
      preset: ({ name, count, seed }) => bindings.preset(name, count, seed),
    };
    return (name, values) => {
      if (!session && !['create', 'preset'].includes(name)) throw 'there is no flow to ask';
      const begun = performance.now();
      const value = calls[name](values);
      return { value, ms: performance.now() - begun };
    };
  }

  // The whole program of a worker.
  function worker(host, glue) {
    let answer = null;
    onmessage = async ({ data }) => {
      try {
        if (data.bytes) {
          answer = await host(glue, data.bytes);
          postMessage({ id: data.id });
        } else {
          postMessage({ id: data.id, result: answer(data.name, data.values) });
        }
      } catch (error) {
        postMessage({ id: data.id, error: String(error) });
      }
    };
  }

  function load(source) {
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = source;
      script.onload = resolve;
      script.onerror = () => reject('The module is not built here. Run scripts/web-build.sh and mdbook build docs.');
      document.head.append(script);
    });
  }

  // The bytes of a module that is compressed by gzip, in base64.
  async function unpacked(text) {
    if (typeof DecompressionStream === 'undefined') throw 'This browser has no DecompressionStream, which the page needs to unpack the module.';
    const packed = Uint8Array.from(atob(text), character => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function inWorker(glue, bytes) {
    const text = `(${worker})(${host}, ${glue});`;
    const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const thread = new Worker(address);
    const waiting = new Map();
    let last = 0;
    const send = message => new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      thread.postMessage({ id, ...message });
    });
    thread.onmessage = ({ data }) => {
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      'error' in data ? reject(data.error) : resolve(data.result);
    };
    thread.onerror = event => {
      for (const { reject } of waiting.values()) reject(event.message || 'no worker');
      waiting.clear();
    };
    await send({ bytes });
    return (name, values) => send({ name, values });
  }

  // Starts the module. `worker` and `simd` say whether to use them where they are.
  async function start({ worker, simd }) {
    const vectors = simd && WebAssembly.validate(new Uint8Array(VECTORS));
    await load(`interactive/module/${vectors ? 'simd' : 'plain'}.js`);
    const { glue, wasm } = window.advectModule;
    delete window.advectModule;
    const bytes = await unpacked(wasm);
    let call = null;
    if (worker && typeof Worker !== 'undefined') {
      call = await inWorker(glue, bytes).catch(() => null);
    }
    const threaded = call !== null;
    if (!threaded) {
      const answer = await host(glue, bytes);
      // Leaves the page time to draw between two calls.
      call = (name, values) => new Promise((resolve, reject) => setTimeout(() => {
        try { resolve(answer(name, values)); } catch (error) { reject(String(error)); }
      }));
    }
    return { call, threaded, vectors };
  }

  return { start };
})();
