package NAMESPACE

/** Raised on purpose: by a sample, by a file, by the runtime, or after `close`. */
class ModelException(val code: Code, message: String, cause: Throwable? = null) :
  Exception(message, cause) {
  enum class Code { INPUT, FILES, RUNTIME, CLOSED }
}

/** A tensor as the model stores it: `real = (stored - zeroPoint) * scale` where it has a scale. */
internal open class Tensor(
  val name: String,
  val shape: IntArray,
  val type: String,
  val scale: Float? = null,
  val zeroPoint: Int = 0,
) {
  val size get() = shape.fold(1) { product, one -> product * one }

  /** Whole numbers of real ones, rounded half to even. */
  fun stored(values: FloatArray): LongArray {
    val (least, most) = checkNotNull(LIMITS[type]) { "no whole type: $type" }
    return LongArray(values.size) {
      if (scale != null) {
        (Math.rint((values[it] / scale).toDouble()) + zeroPoint).coerceIn(least, most).toLong()
      } else {
        if (values[it] < least || values[it] > most) {
          val range = "${least.toLong()} to ${most.toLong()}"
          throw ModelException(
            ModelException.Code.INPUT, "\"$name\" takes $type, $range, and not ${values[it]}")
        }
        values[it].toLong()
      }
    }
  }

  /** Real numbers of stored ones. */
  fun real(values: FloatArray): FloatArray =
    if (scale == null) values else FloatArray(values.size) { (values[it] - zeroPoint) * scale }

  private companion object {
    val LIMITS = mapOf(
      "int64" to (-9.2e18 to 9.2e18), "int32" to (-2147483648.0 to 2147483647.0),
      "int8" to (-128.0 to 127.0), "uint8" to (0.0 to 255.0), "bool" to (0.0 to 1.0),
    )
  }
}

/** From raw values to those of training: `(value / scale - mean) / std` by channel. */
internal data class Steps(
  val scale: Float,
  val mean: FloatArray,
  val std: FloatArray,
  val color: String,
  val resize: String,
  val fit: String,
)

/** The place of a picture in an input: `x * scale + offset`, for x in its pixels. */
internal class Placement(
  val width: Int,
  val height: Int,
  val left: Int,
  val top: Int,
  private val across: Double,
  private val down: Double,
) {
  /** Corners in the picture's own pixels, of those in the input. */
  fun back(box: DoubleArray) = DoubleArray(4) {
    if (it % 2 == 0) (box[it] - left) / across else (box[it] - top) / down
  }
}

/** An input: the tensor, its shape in the network (channels first), and the steps before it. */
internal class Input(
  tensor: Tensor,
  val network: IntArray,
  val channelsLast: Boolean,
  val steps: Steps,
) : Tensor(tensor.name, tensor.shape, tensor.type, tensor.scale, tensor.zeroPoint) {

  /** What raw numbers, channels first, become before the model. Raises ModelException. */
  fun prepared(numbers: FloatArray): FloatArray {
    if (numbers.size != size)
      throw ModelException(
        ModelException.Code.INPUT,
        "\"$name\" takes $size numbers (${network.joinToString(" x ")}), got ${numbers.size}",
      )
    val values = Preprocess.normalize(numbers, this)
    if (!values.all { it.isFinite() })
      throw ModelException(ModelException.Code.INPUT, "\"$name\" holds a number that is not finite")
    return values
  }

  /** Whole numbers, such as those of tokens, as numbers. Raises ModelException. */
  fun tokens(numbers: IntArray): FloatArray {
    if (numbers.size != size)
      throw ModelException(
        ModelException.Code.INPUT, "\"$name\" takes $size whole numbers, got ${numbers.size}")
    numbers.firstOrNull { it !in -EXACT..EXACT }?.let {
      throw ModelException(ModelException.Code.INPUT, "\"$name\" takes numbers up to $EXACT, got $it")
    }
    return FloatArray(size) { numbers[it].toFloat() }
  }

  /** What a picture becomes before the model. */
  fun prepared(picture: Pixels): FloatArray = prepared(Preprocess.pixels(picture, this))

  /** Prepared numbers in the order of the file. */
  fun arranged(values: FloatArray): FloatArray =
    if (channelsLast) Preprocess.channelsLast(values, network[0]) else values

  private companion object {
    const val EXACT = 1 shl 24 // 32-bit numbers hold each whole one up to it
  }
}

/** A picture's pixels in sRGB, as `0xAARRGGBB`, row by row; transparency is not looked at. */
class Pixels(val argb: IntArray, val width: Int, val height: Int) {
  init {
    require(width > 0 && height > 0 && argb.size == width * height) {
      "${argb.size} pixels are not $width x $height"
    }
  }
}
