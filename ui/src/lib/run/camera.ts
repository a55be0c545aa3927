/** What part of a graph is on the screen: `k` pixels for each of its units, its corner at `x`, `y`. */
import type { Box, Layout } from './layout'

export interface Camera {
  k: number
  x: number
  y: number
}

export interface Size {
  width: number
  height: number
}

export const CLOSEST = 2.5
const FARTHEST = 0.02
const COMFORTABLE_PX = 132
/** Around the whole graph. */
const AIR_PX = 12

export const clampZoom = (k: number): number => Math.min(CLOSEST, Math.max(FARTHEST, k))

export function fit(layout: Layout, size: Size): Camera {
  const k = Math.min(1.15, clampZoom(Math.min((size.width - 2 * AIR_PX) / layout.width, (size.height - 2 * AIR_PX) / layout.height)))
  return { k, x: (size.width - layout.width * k) / 2, y: (size.height - layout.height * k) / 2 }
}

/** The width that half of the boxes reach. */
function usualWidth(layout: Layout): number {
  const widths = [...layout.boxes.values()].map((box) => box.width).sort((a, b) => a - b)
  return widths[widths.length >> 1] ?? 1
}

/** Everything, when that can be read; otherwise `centre` at a size at which it can. */
export function first(layout: Layout, size: Size, centre: Box | undefined, always: boolean): Camera {
  const whole = fit(layout, size)
  const usual = usualWidth(layout)
  if (!always && whole.k * usual >= layout.readable) return whole
  if (whole.k * usual >= COMFORTABLE_PX || !centre) return whole
  // A column that nearly fits is not worth a second direction to scroll in.
  const column = size.width / layout.width
  const k = column * usual >= layout.readable ? Math.min(1.1, column) : clampZoom(COMFORTABLE_PX / usual)
  return inside(onto(centre, k, size), layout, size)
}

/** `box` in the middle. */
export const onto = (box: Box, k: number, size: Size): Camera => ({
  k,
  x: size.width / 2 - (box.x + box.width / 2) * k,
  y: size.height / 2 - (box.y + box.height / 2) * k,
})

/** No emptiness beyond the edges; what is smaller than the screen stands in its middle. */
export function inside(camera: Camera, layout: Layout, size: Size): Camera {
  const keep = (at: number, length: number, room: number): number => (length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at)))
  return { k: camera.k, x: keep(camera.x, layout.width * camera.k, size.width), y: keep(camera.y, layout.height * camera.k, size.height) }
}

/** The point under `x`, `y` stays there. */
export function zoomed(camera: Camera, factor: number, x: number, y: number): Camera {
  const k = clampZoom(camera.k * factor)
  return { k, x: x - ((x - camera.x) * k) / camera.k, y: y - ((y - camera.y) * k) / camera.k }
}

/** Moved as little as brings `box` into view. */
export function revealing(camera: Camera, box: Box, size: Size): Camera {
  const air = 24
  const shift = (at: number, length: number, room: number): number => {
    if (length > room - 2 * air) return room / 2 - (at + length / 2)
    return at < air ? air - at : at + length > room - air ? room - air - at - length : 0
  }
  return {
    k: camera.k,
    x: camera.x + shift(box.x * camera.k + camera.x, box.width * camera.k, size.width),
    y: camera.y + shift(box.y * camera.k + camera.y, box.height * camera.k, size.height),
  }
}

export function isVisible(box: Box, camera: Camera, size: Size, spare = 160): boolean {
  const x = box.x * camera.k + camera.x
  const y = box.y * camera.k + camera.y
  return x + box.width * camera.k > -spare && x < size.width + spare && y + box.height * camera.k > -spare && y < size.height + spare
}

export function isCropped(layout: Layout, camera: Camera, size: Size): boolean {
  return camera.x < -2 || camera.y < -2 || camera.x + layout.width * camera.k > size.width + 2 || camera.y + layout.height * camera.k > size.height + 2
}
