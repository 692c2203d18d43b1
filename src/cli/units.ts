const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: `512 B`, `9.4 MiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit < sizes.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${sizes[unit]}`;
}

/** Milliseconds for people: `0.3s`, `12s`, `3m`, `2h`, `5d`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  if (seconds < 99.5) return `${Math.round(seconds)}s`;
  const minutes = seconds / 60;
  if (minutes < 99.5) return `${Math.round(minutes)}m`;
  return minutes < 60 * 48 ? `${Math.round(minutes / 60)}h` : `${Math.round(minutes / 60 / 24)}d`;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A date so far away can still be written. */
const longest = 100 * 365 * 86_400_000;

/** A time as people write it, `90s`, `1h30m`, `24h`, in milliseconds; undefined for what is none, or over a hundred years. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined;
  const milliseconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
  return milliseconds > longest ? undefined : milliseconds;
}
