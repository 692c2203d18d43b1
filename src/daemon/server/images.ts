import { DrayError } from '../../errors.ts';
import type { NewImage } from '../../services/image-store.ts';
import type { Descriptor } from '../../spec/descriptor.ts';
import { type Image, Images } from '../gen/images_pb.ts';
import { type Routes, routesOf, type ServerCall } from '../grpc/service.ts';
import { fromDescriptor, toImage } from '../messages.ts';
import { servicesFor, type Tenants } from './tenant.ts';

/** `containerd.services.images.v1.Images` over a store. */
export function imagesService(tenants: Tenants): Routes {
  const imagesFor = (call: ServerCall) => servicesFor(tenants, call).images;
  return routesOf(Images, {
    async get({ name }, call) {
      return { image: toImage(await imagesFor(call).get(name, call)) };
    },
    async list({ filters }, call) {
      return { images: (await Array.fromAsync(imagesFor(call).list(...filters))).map(toImage) };
    },
    async create({ image }, call) {
      return { image: toImage(await imagesFor(call).create(newImage(image), call)) };
    },
    async update({ image, updateMask }, call) {
      const paths = updateMask?.paths ?? [];
      const images = imagesFor(call);
      const { name, labels, target: said } = named(image);
      const target = changesTarget(said, paths)
        ? fromDescriptor(said)
        : withAnnotations((await images.get(name, call)).target, said);
      return { image: toImage(await images.update({ name, target, labels }, ...paths)) };
    },
    async delete({ name, sync, target }, call) {
      const wanted = target === undefined ? undefined : fromDescriptor(target);
      await imagesFor(call).delete(name, { synchronous: sync, target: wanted, signal: call.signal });
      return {};
    },
  });
}

// Who changes labels alone need not say the target; clients in Go send one without a digest then.
function changesTarget(said: Image['target'], paths: readonly string[]): boolean {
  return said !== undefined && (paths.length === 0 || paths.includes('target'));
}

function withAnnotations(target: Descriptor, said: Image['target']): Descriptor {
  return said === undefined ? target : { ...target, annotations: said.annotations };
}

function newImage(message: Image | undefined): NewImage {
  const { name, target, labels } = named(message);
  return { name, target: fromDescriptor(target), labels };
}

function named(message: Image | undefined): Image {
  if (message !== undefined && message.name !== '') return message;
  throw new DrayError('invalid-argument', 'an image needs a name');
}
