import { DrayError } from '../../errors.ts';
import type { NewImage } from '../../services/image-store.ts';
import { type Image, Images } from '../gen/images_pb.ts';
import { type Routes, routesOf, type ServerCall } from '../grpc/service.ts';
import { fromDescriptor, fromLabels, toImage } from '../messages.ts';
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
      const name = named(image).name;
      // Who changes labels alone need not say the target.
      const target = image?.target === undefined ? (await images.get(name, call)).target : fromDescriptor(image.target);
      return {
        image: toImage(await images.update({ name, target, labels: fromLabels(image?.labels ?? {}) }, ...paths)),
      };
    },
    async delete({ name, sync, target }, call) {
      const wanted = target === undefined ? undefined : fromDescriptor(target);
      await imagesFor(call).delete(name, { synchronous: sync, target: wanted, signal: call.signal });
      return {};
    },
  });
}

function newImage(message: Image | undefined): NewImage {
  const { name, target, labels } = named(message);
  return { name, target: fromDescriptor(target), labels: fromLabels(labels) };
}

function named(message: Image | undefined): Image {
  if (message !== undefined && message.name !== '') return message;
  throw new DrayError('invalid-argument', 'an image needs a name');
}
