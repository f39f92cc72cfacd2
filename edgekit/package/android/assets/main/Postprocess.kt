package NAMESPACE

import kotlin.math.exp

/** From outputs to labels, classes of places, or boxes. */
internal object Postprocess {
  /** Probabilities of one row of scores, in double precision. */
  fun softmax(scores: FloatArray): DoubleArray {
    val most = scores.max().toDouble()
    val powers = DoubleArray(scores.size) { exp(scores[it] - most) }
    val sum = powers.sum()
    return DoubleArray(scores.size) { powers[it] / sum }
  }

  /** Probabilities that the file computed itself. */
  fun ready(scores: FloatArray) = DoubleArray(scores.size) { scores[it].toDouble() }

  /** The place of the greatest of `count` values, `step` apart; the first of equal ones. */
  fun highest(values: FloatArray, first: Int = 0, step: Int = 1, count: Int = values.size): Int {
    var best = 0
    for (i in 1 until count) if (values[first + i * step] > values[first + best * step]) best = i
    return best
  }

  /** The class of each place of an output whose classes are along `axis`. */
  fun classes(values: FloatArray, shape: IntArray, axis: Int): IntArray {
    val count = shape[axis]
    val step = shape.drop(axis + 1).fold(1) { product, one -> product * one }
    return IntArray(values.size / count) {
      highest(values, it / step * step * count + it % step, step, count)
    }
  }

  /** Each box with the place and the value of its likeliest class. */
  fun <B> boxes(
    boxes: FloatArray,
    width: Int,
    scores: FloatArray,
    columns: Int,
    skip: Int,
    box: (FloatArray, Int, Float) -> B,
  ): List<B> = List(boxes.size / width) {
    val start = it * columns + skip
    val index = highest(scores, start, 1, columns - skip)
    box(boxes.copyOfRange(it * width, it * width + 4), index, scores[start + index])
  }
}
