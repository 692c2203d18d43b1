import type { RequestRecord } from './log.ts';

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** What the registry has done since it started, in Prometheus' text format. The labels are from closed sets. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();
  #received = 0;
  #sent = 0;
  #active = 0;

  begin(): void {
    this.#active += 1;
  }

  end({ method, route, status, received, sent, milliseconds }: RequestRecord): void {
    this.#active -= 1;
    this.#received += received;
    this.#sent += sent;
    const known = knownMethods.has(method) ? method : 'other';
    const key = `method="${known}",route="${route}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#observe(`route="${route}"`, milliseconds / 1000);
  }

  #observe(key: string, seconds: number): void {
    const found = this.#durations.get(key) ?? { counts: buckets.map(() => 0), sum: 0, count: 0 };
    this.#durations.set(key, found);
    found.sum += seconds;
    found.count += 1;
    const bucket = buckets.findIndex((limit) => seconds <= limit);
    if (bucket !== -1) found.counts[bucket] = (found.counts[bucket] ?? 0) + 1;
  }

  /** All of it; `uploads` is how many are open at the moment. */
  format({ uploads }: { readonly uploads: number }): string {
    return [
      ...family('dray_registry_requests_total', 'counter', 'Requests by method, route and status.'),
      ...[...this.#requests].map(([labels, count]) => `dray_registry_requests_total{${labels}} ${count}`),
      ...family('dray_registry_request_seconds', 'histogram', 'Time to the end of the answer.'),
      ...[...this.#durations].flatMap(([labels, histogram]) => formatHistogram(labels, histogram)),
      ...single('dray_registry_received_bytes_total', 'counter', 'Bytes of request bodies.', this.#received),
      ...single('dray_registry_sent_bytes_total', 'counter', 'Bytes of response bodies.', this.#sent),
      ...single('dray_registry_active_requests', 'gauge', 'Requests under way.', this.#active),
      ...single('dray_registry_open_uploads', 'gauge', 'Uploads that are open.', uploads),
      '',
    ].join('\n');
  }
}

function single(name: string, type: string, help: string, value: number): string[] {
  return [...family(name, type, help), `${name} ${value}`];
}

function family(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

const knownMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

function formatHistogram(labels: string, { counts, sum, count }: Histogram): string[] {
  let below = 0;
  const lines = buckets.map((limit, index) => {
    below += counts[index] ?? 0;
    return `dray_registry_request_seconds_bucket{${labels},le="${limit}"} ${below}`;
  });
  return [
    ...lines,
    `dray_registry_request_seconds_bucket{${labels},le="+Inf"} ${count}`,
    `dray_registry_request_seconds_sum{${labels}} ${sum}`,
    `dray_registry_request_seconds_count{${labels}} ${count}`,
  ];
}
