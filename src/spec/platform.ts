import { arch, platform as nodePlatform } from 'node:os';
import { DrayError } from '../errors.ts';

/** What a manifest runs on (image-spec image-index.md). Keys beyond these stay as the document has them. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly 'os.version'?: string | undefined;
  readonly 'os.features'?: readonly string[] | undefined;
}

const operatingSystems = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);
const architectures = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le
   ppc riscv riscv64 s390 s390x sparc sparc64 wasm`.split(/\s+/),
);

/** The platform of this machine, normalised. */
export function hostPlatform(): Platform {
  const os = hostOs();
  const variables = process.config.variables as { arm_version?: string };
  const variant = arch() === 'arm' ? variables.arm_version : undefined;
  return normalizePlatform({ os, architecture: arch(), ...(variant === undefined ? {} : { variant: `v${variant}` }) });
}

/**
 * `os`, `arch`, `os/arch` or `os/arch/variant`; the operating system may carry its version and features:
 * `windows(10.0.17763)`, `linux(+feature)`. A lone part is completed from this machine (containerd's platforms package).
 * @throws DrayError `invalid-argument` for anything else.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => part === '' || part.includes('*'))) throw malformed(text);
  const first = parseOperatingSystem(parts[0] ?? '', text);
  for (const part of parts.slice(1)) if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(part)) throw malformed(text);
  if (parts.length === 1) return completeFromHost(first, text);
  const [, architecture = '', variant] = parts;
  return normalizePlatform({ ...first, architecture, ...(variant === undefined ? {} : { variant }) });
}

function completeFromHost(first: Omit<Platform, 'architecture'>, text: string): Platform {
  const host = hostPlatform();
  if (operatingSystems.has(normalizeOs(first.os))) {
    const { architecture, variant } = host;
    return normalizePlatform({ ...first, architecture, ...(variant === undefined ? {} : { variant }) });
  }
  const lone = normalizePlatform({ os: host.os, architecture: first.os });
  if (architectures.has(lone.architecture)) return lone;
  throw malformed(text);
}

function parseOperatingSystem(part: string, text: string): Omit<Platform, 'architecture'> {
  const match = /^([A-Za-z0-9][A-Za-z0-9_.-]*)(?:\(([^()+]*)((?:\+[^()+]+)*)\))?$/.exec(part);
  if (match === null) throw malformed(text);
  const [, os = '', version = '', features = ''] = match;
  return {
    os,
    ...(version === '' ? {} : { 'os.version': decodePart(version) }),
    ...(features === '' ? {} : { 'os.features': features.slice(1).split('+').map(decodePart) }),
  };
}

function decodePart(part: string): string {
  return part.replace(/%(25|2[bB]|28|29|2[fF])/g, (code) => decodeURIComponent(code));
}

function encodePart(part: string): string {
  return part.replace(/[%+()/]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function malformed(text: string): DrayError {
  return new DrayError('invalid-argument', `invalid platform ${JSON.stringify(text.slice(0, 100))}`, {
    hint: 'write it as os/arch or os/arch/variant, for example linux/arm64/v8',
  });
}

/** `os/arch/variant`, with version and features of the operating system where there are any. */
export function formatPlatform(platform: Platform): string {
  const version = platform['os.version'];
  const features = platform['os.features'] ?? [];
  const extra = [
    version === undefined ? '' : encodePart(version),
    ...features.map((feature) => `+${encodePart(feature)}`),
  ].join('');
  const os = (platform.os || 'unknown') + (extra === '' ? '' : `(${extra})`);
  return [os, platform.architecture, platform.variant].filter((part) => part !== undefined && part !== '').join('/');
}

/** One spelling for each platform: lower case, Go's names, no redundant variant (containerd's platforms package). */
export function normalizePlatform(platform: Platform): Platform {
  const { variant: _, 'os.features': features, ...rest } = platform;
  const [architecture, variant] = normalizeArchitecture(platform.architecture, platform.variant ?? '');
  return {
    ...rest,
    os: normalizeOs(platform.os),
    architecture,
    ...(variant === '' ? {} : { variant }),
    ...(features === undefined || features.length === 0 ? {} : { 'os.features': [...new Set(features)].sort() }),
  };
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function hostOs(): string {
  return nodePlatform() === 'win32' ? 'windows' : nodePlatform();
}

function normalizeArchitecture(name: string, variantName: string): [architecture: string, variant: string] {
  const architecture = name.toLowerCase();
  const variant = variantName.toLowerCase();
  switch (architecture) {
    case 'i386':
    case 'ia32':
      return ['386', ''];
    case 'x86_64':
    case 'x86-64':
    case 'x64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant];
    case 'aarch64':
    case 'arm64':
      return ['arm64', normalizeArm64Variant(variant)];
    case 'armhf':
      return ['arm', 'v7'];
    case 'armel':
      return ['arm', 'v6'];
    case 'arm':
      if (variant === '' || variant === '7') return ['arm', 'v7'];
      return ['arm', /^[568]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [architecture, variant];
  }
}

function normalizeArm64Variant(variant: string): string {
  if (['8', 'v8', 'v8.0', '8.0'].includes(variant)) return '';
  if (['9', '9.0', 'v9.0'].includes(variant)) return 'v9';
  return variant;
}

/** Which platforms serve, and which of two serves better. */
export interface PlatformMatcher {
  matches(platform: Platform): boolean;
  /** Negative when `a` is to be preferred. */
  compare(a: Platform, b: Platform): number;
}

/** Everything, without a preference. */
export const allPlatforms: PlatformMatcher = { matches: () => true, compare: () => 0 };

/** Exactly that platform. */
export function onlyStrict(platform: Platform): PlatformMatcher {
  return ordered([platform]);
}

/** That platform and what it can run besides, the nearest first: amd64 runs 386, arm64 runs arm (containerd's platforms package). */
export function only(platform: Platform): PlatformMatcher {
  return ordered(compatible(normalizePlatform(platform)));
}

/** Any of them, without a preference. */
export function anyOf(platforms: readonly Platform[]): PlatformMatcher {
  const wanted = platforms.map(normalizePlatform);
  return { matches: (platform) => wanted.some((one) => satisfies(one, normalizePlatform(platform))), compare: () => 0 };
}

/** Any of them, earlier ones preferred; between equals the one with more matching features. */
export function ordered(platforms: readonly Platform[]): PlatformMatcher {
  const wanted = platforms.map(normalizePlatform);
  const rank = (platform: Platform): number => {
    const found = wanted.findIndex((one) => satisfies(one, normalizePlatform(platform)));
    return found === -1 ? wanted.length : found;
  };
  return {
    matches: (platform) => rank(platform) < wanted.length,
    compare: (a, b) => rank(a) - rank(b) || (b['os.features']?.length ?? 0) - (a['os.features']?.length ?? 0),
  };
}

/**
 * What runs here: this machine's platform; on macOS and Windows also Linux of the same architecture, which runs there in a virtual
 * machine, since most images are made for that alone.
 */
export function defaultMatcher(host: Platform = hostPlatform()): PlatformMatcher {
  const own = compatible(host);
  if (host.os !== 'darwin' && host.os !== 'windows') return ordered(own);
  const { 'os.version': _, ...machine } = host;
  return ordered([...own, ...compatible({ ...machine, os: 'linux' })]);
}

/** Children that name no platform come after those that do. */
export function compareOptional(matcher: PlatformMatcher, a: Platform | undefined, b: Platform | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return matcher.compare(a, b);
}

function satisfies(wanted: Platform, candidate: Platform): boolean {
  // One that is not said is that of this machine.
  const os = wanted.os || hostOs();
  if (os !== (candidate.os || hostOs()) || wanted.architecture !== candidate.architecture) return false;
  if ((wanted.variant ?? '') !== (candidate.variant ?? '')) return false;
  if (os === 'windows') return satisfiesWindows(wanted['os.version'] ?? '', candidate['os.version'] ?? '');
  const offered = new Set(wanted['os.features'] ?? []);
  return offered.size === 0 || (candidate['os.features'] ?? []).every((feature) => offered.has(feature));
}

// Containers run on hosts of the same build, and from 20348 on also on newer ones down to the last long-term release.
const windowsFloor = 20348;

function satisfiesWindows(host: string, candidate: string): boolean {
  if (host === '' || candidate === '') return true;
  const [hostMajor, hostMinor, hostBuild = 0] = host.split('.').map(Number);
  const [major, minor, build = 0] = candidate.split('.').map(Number);
  if (hostMajor !== major || hostMinor !== minor) return false;
  return hostBuild < windowsFloor ? build === hostBuild : build >= windowsFloor && build <= hostBuild;
}

function compatible(platform: Platform): Platform[] {
  const { variant, ...base } = platform;
  const of = (architecture: string, version: string): Platform => {
    const [normal, normalVariant] = normalizeArchitecture(architecture, version);
    return { ...base, architecture: normal, ...(normalVariant === '' ? {} : { variant: normalVariant }) };
  };
  switch (platform.architecture) {
    case 'amd64': {
      const level = levelOf(variant ?? 'v1');
      return level === undefined
        ? [platform]
        : [...down(level, 1).map((n) => of('amd64', `v${n}`)), { ...base, architecture: '386' }];
    }
    case 'arm': {
      const level = levelOf(variant ?? 'v7');
      return level === undefined ? [platform] : down(level, 5).map((n) => of('arm', `v${n}`));
    }
    case 'arm64':
      return [
        ...arm64Variants(variant ?? 'v8').map((one) => of('arm64', one)),
        ...down(8, 5).map((n) => of('arm', `v${n}`)),
      ];
    default:
      return [platform];
  }
}

function arm64Variants(variant: string): string[] {
  const match = /^v(8|9)(?:\.(\d{1,2}))?$/.exec(variant);
  if (match === null) return [];
  const minor = Number(match[2] ?? 0);
  const list = (major: string, from: number): string[] =>
    down(from, 0).map((n) => (n === 0 ? `v${major}` : `v${major}.${n}`));
  return match[1] === '8' ? list('8', minor) : [...list('9', minor), ...list('8', Math.min(minor + 5, 9))];
}

function levelOf(variant: string): number | undefined {
  const match = /^v(\d)$/.exec(variant);
  return match === null ? undefined : Number(match[1]);
}

function down(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => from - index);
}
