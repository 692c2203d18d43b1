import { DrayError } from '../../errors.ts';
import { Snapshots } from '../gen/snapshots_pb.ts';
import { type Routes, routesOf } from '../grpc/service.ts';

/** `containerd.services.snapshots.v1.Snapshots` of a store without snapshots: clients ask whether an image is unpacked. */
export function snapshotsService(): Routes {
  const none = async (): Promise<never> => {
    throw new DrayError('not-implemented', 'dray keeps no snapshots');
  };
  return routesOf(Snapshots, {
    async stat({ key }) {
      throw new DrayError('not-found', `no snapshot ${JSON.stringify(key)}`);
    },
    prepare: none,
    commit: none,
    remove: none,
  });
}
