// A process of its own: `node download.ts CLIENTS URL` gets the URL by as many connections at once, throws away what comes and
// fails when it is not the same for all.
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';

const [clients = '1', url = ''] = process.argv.slice(2);

async function download(agent: Agent): Promise<number> {
  const [answer] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`${url} was answered with ${answer.statusCode}`);
  let size = 0;
  answer.on('data', (chunk: Buffer) => {
    size += chunk.byteLength;
  });
  await once(answer, 'end');
  return size;
}

const agent = new Agent();
const sizes = await Promise.all(Array.from({ length: Number(clients) }, () => download(agent)));
if (new Set(sizes).size !== 1) throw new Error(`not all got the same: ${sizes.join(' ')}`);
