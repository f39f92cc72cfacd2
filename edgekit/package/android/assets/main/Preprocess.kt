package NAMESPACE

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** From a sample to the numbers that the model takes, bit for bit as in training. */
internal object Preprocess {
  private const val PRECISION = 22 // bits after the point of Pillow's weights
  private const val LETTERBOX = 114 // gray around a letterboxed picture

  /** Values of an image (channels, height, width), converted and then fitted into the size. */
  fun pixels(picture: Pixels, input: Input): FloatArray {
    val how = input.steps
    val planes =
      if (how.color == "gray") listOf(gray(picture.argb)) else channels(picture.argb, how.color == "bgr")
    val (height, width) = input.network.drop(1)
    val size = height * width
    val values = FloatArray(planes.size * size)
    val place = placement(picture.width, picture.height, input)
    planes.forEachIndexed { number, plane ->
      val stretched = stretch(plane, picture.width, picture.height, place.width, place.height, how.resize)
      val framed = framed(stretched, place, width, height)
      for (i in 0 until size) values[number * size + i] = framed[i].toFloat()
    }
    return values
  }

  /** Where a picture of a size lies in an input. */
  fun placement(width: Int, height: Int, input: Input): Placement {
    val (rows, columns) = input.network.drop(1)
    val (across, down) = Pair(columns / width.toDouble(), rows / height.toDouble())
    if (input.steps.fit != "letterbox") return Placement(columns, rows, 0, 0, across, down)
    val ratio = min(across, down)
    val (w, h) = listOf(width, height).map { max(1, Math.rint(it * ratio).toInt()) }
    return Placement(
      w, h, (columns - w) / 2, (rows - h) / 2, w / width.toDouble(), h / height.toDouble())
  }

  /** A plane in gray of the input's size, where it is smaller. */
  private fun framed(plane: IntArray, place: Placement, width: Int, height: Int): IntArray {
    if (place.width == width && place.height == height) return plane
    return IntArray(width * height) {
      val (y, x) = Pair(it / width - place.top, it % width - place.left)
      if (y in 0 until place.height && x in 0 until place.width) plane[y * place.width + x] else LETTERBOX
    }
  }

  /** `(value / scale - mean) / std` by channel, each step rounded to 32 bits. */
  fun normalize(values: FloatArray, input: Input): FloatArray {
    val (scale, mean, std) = input.steps
    val size = values.size / input.network[0]
    return FloatArray(values.size) { i ->
      val channel = i / size
      (values[i] / scale - mean[if (mean.size == 1) 0 else channel]) /
        std[if (std.size == 1) 0 else channel]
    }
  }

  /** Numbers (channels, ...) with the channels last. */
  fun channelsLast(values: FloatArray, channels: Int): FloatArray {
    val size = values.size / channels
    return FloatArray(values.size) { i -> values[(i % channels) * size + i / channels] }
  }

  private fun gray(argb: IntArray) = IntArray(argb.size) {
    val color = argb[it]
    ((color shr 16 and 255) * 19595 + (color shr 8 and 255) * 38470 + (color and 255) * 7471 + 0x8000) shr 16
  }

  private fun channels(argb: IntArray, reversed: Boolean): List<IntArray> {
    val planes = listOf(16, 8, 0).map { shift -> IntArray(argb.size) { argb[it] shr shift and 255 } }
    return if (reversed) planes.reversed() else planes
  }

  /** One channel in another size, by the arithmetic of Pillow 13, whose order of steps counts. */
  private fun stretch(plane: IntArray, width: Int, height: Int, toWidth: Int, toHeight: Int, kernel: String): IntArray {
    if (width == toWidth && height == toHeight) return plane
    if (kernel == "nearest") return nearest(plane, width, height, toWidth, toHeight)
    val less = height - toHeight
    if (less > 0 && less > 2 * (width - toWidth)) {
      return across(down(plane, width, height, toHeight, kernel), width, toHeight, toWidth, kernel)
    }
    return down(across(plane, width, height, toWidth, kernel), toWidth, height, toHeight, kernel)
  }

  private fun nearest(plane: IntArray, width: Int, height: Int, toWidth: Int, toHeight: Int): IntArray {
    val columns = places(width, toWidth)
    val rows = places(height, toHeight)
    return IntArray(toWidth * toHeight) { plane[rows[it / toWidth] * width + columns[it % toWidth]] }
  }

  private fun places(from: Int, to: Int): IntArray {
    val step = from.toDouble() / to
    var at = step * 0.5
    return IntArray(to) { min(from - 1, at.toInt()).also { at += step } }
  }

  private fun across(plane: IntArray, width: Int, height: Int, toWidth: Int, kernel: String): IntArray {
    if (width == toWidth) return plane
    val weights = weights(width, toWidth, kernel)
    return IntArray(toWidth * height) {
      val (first, factors) = weights[it % toWidth]
      val start = it / toWidth * width + first
      var sum = 1 shl (PRECISION - 1)
      for (i in factors.indices) sum += plane[start + i] * factors[i]
      (sum shr PRECISION).coerceIn(0, 255)
    }
  }

  private fun down(plane: IntArray, width: Int, height: Int, toHeight: Int, kernel: String): IntArray {
    if (height == toHeight) return plane
    val weights = weights(height, toHeight, kernel)
    return IntArray(width * toHeight) {
      val (first, factors) = weights[it / width]
      var sum = 1 shl (PRECISION - 1)
      for (i in factors.indices) sum += plane[(first + i) * width + it % width] * factors[i]
      (sum shr PRECISION).coerceIn(0, 255)
    }
  }

  /** For each place of the result: the first place that it is made of, and fixed-point factors. */
  private fun weights(from: Int, to: Int, kernel: String): List<Pair<Int, IntArray>> {
    val scale = from.toDouble() / to
    val spread = max(scale, 1.0)
    val reach = (if (kernel == "bicubic") 2.0 else 1.0) * spread
    return List(to) { place ->
      val center = (place + 0.5) * scale
      val first = max(0, (center - reach + 0.5).toInt())
      val count = min(from, (center + reach + 0.5).toInt()) - first
      val factors = DoubleArray(count) { weight((it + first - center + 0.5) * (1 / spread), kernel) }
      val sum = factors.sum()
      Pair(first, IntArray(count) { fixed(if (sum == 0.0) factors[it] else factors[it] / sum) })
    }
  }

  private fun fixed(factor: Double): Int {
    val scaled = factor * (1 shl PRECISION)
    return (if (scaled < 0) scaled - 0.5 else scaled + 0.5).toInt()
  }

  private fun weight(signed: Double, kernel: String): Double {
    val x = abs(signed)
    if (kernel != "bicubic") return max(0.0, 1 - x)
    val a = -0.5
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
    return if (x < 2) (((x - 5) * x + 8) * x - 4) * a else 0.0
  }
}
