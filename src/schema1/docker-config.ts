import { layerKeys } from '../oci/legacy-archive.ts';
import { encodeJson, type Json, RawJson, rawMembers, sortedByKey } from './json.ts';
import { type ConfigParts, defaultOs, unlessEmpty } from './oci-config.ts';
import { encodeOldConfig, isOldDocker } from './old-docker.ts';

/**
 * The image config of Docker for the newest layer's JSON, as Docker made it when it pulled such an image, and skopeo still does:
 * everything that is there stays as it is, but for what is said of the layer alone. The JSON has to be that of a history.
 * @throws DrayError `invalid-argument` with reason `bad-document` for one of Docker before 1.8.3 that is malformed.
 */
export function dockerConfig(top: string, { architecture, diffIds, history }: ConfigParts): string {
  const { docker_version: version } = JSON.parse(top) as { readonly docker_version?: unknown };
  const members: Map<string, Json> = rawMembers(isOldDocker(version) ? encodeOldConfig(top) : top);
  for (const key of layerKeys) members.delete(key);
  for (const [key, value] of [['architecture', architecture] as const, ['os', defaultOs] as const])
    if (isMissing(members.get(key))) members.set(key, value);
  members.set('rootfs', { type: 'layers', diff_ids: diffIds });
  members.set(
    'history',
    history.map(({ created, author, createdBy, comment, isEmpty }) => ({
      created,
      author: unlessEmpty(author),
      created_by: unlessEmpty(createdBy),
      comment: unlessEmpty(comment),
      empty_layer: isEmpty || undefined,
    })),
  );
  return encodeJson(sortedByKey(members));
}

function isMissing(value: Json | undefined): boolean {
  return value === undefined || (value instanceof RawJson && (value.text === 'null' || value.text === '""'));
}
