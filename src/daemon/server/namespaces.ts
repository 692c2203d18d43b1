import { updateLabels } from '../../content/labels.ts';
import { ifFound } from '../../errors.ts';
import type { Namespace } from '../../services/namespace-store.ts';
import { Namespaces } from '../gen/namespaces_pb.ts';
import { type Routes, routesOf } from '../grpc/service.ts';
import type { Tenants } from './tenant.ts';

/** `containerd.services.namespaces.v1.Namespaces` over a store. */
export function namespacesService({ store: { namespaces } }: Tenants): Routes {
  const toNamespace = ({ name, labels }: Namespace) => ({ namespace: { name, labels } });
  return routesOf(Namespaces, {
    async get({ name }, call) {
      // containerd's clients ask for the labels of a namespace before they make it.
      return toNamespace((await ifFound(namespaces.get(name, call))) ?? { name, labels: {} });
    },
    async list({ filter }) {
      const found = namespaces.list(...(filter === '' ? [] : [filter]));
      return { namespaces: (await Array.fromAsync(found)).map((one) => toNamespace(one).namespace) };
    },
    async create({ namespace }, call) {
      const { name = '', labels = {} } = namespace ?? {};
      return toNamespace(await namespaces.create({ name, labels }, call));
    },
    async update({ namespace, updateMask }, call) {
      const { name = '', labels = {} } = namespace ?? {};
      const paths = updateMask?.paths ?? [];
      // With containerd, who labels a namespace that is not there makes it.
      if ((await ifFound(namespaces.get(name, call))) === undefined)
        return toNamespace(await namespaces.create({ name, labels: updateLabels({}, labels, paths) }, call));
      return toNamespace(await namespaces.update({ name, labels }, ...paths));
    },
    async delete({ name }, call) {
      await namespaces.delete(name, call);
      return {};
    },
  });
}
