package NAMESPACE

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer

/** A loaded model: prepared numbers in, real numbers out. Calls take turns. */
internal class Session(
  private val model: CompiledModel,
  private val inputs: List<Input>,
  private val outputs: List<Tensor>,
) : AutoCloseable {
  private val given = linkedMapOf<String, TensorBuffer>()
  private val found = linkedMapOf<String, TensorBuffer>()
  private var closed = false

  init {
    try {
      for (one in inputs) given[one.name] = model.createInputBuffer(one.name)
      for (one in outputs) found[one.name] = model.createOutputBuffer(one.name)
    } catch (error: LiteRtException) {
      close()
      throw error
    }
  }

  /** The outputs in real numbers, in order, for each input's prepared numbers, in order. */
  @Synchronized
  fun infer(prepared: List<FloatArray>): List<FloatArray> {
    if (closed) throw ModelException(ModelException.Code.CLOSED, "The model was closed")
    val values = try {
      inputs.zip(prepared).forEach { (one, numbers) ->
        write(given.getValue(one.name), one, one.arranged(numbers))
      }
      model.run(given, found)
      outputs.map { one -> one.real(read(found.getValue(one.name), one)) }
    } catch (error: LiteRtException) {
      throw ModelException(ModelException.Code.RUNTIME, "LiteRT failed: ${error.message}", error)
    }
    outputs.zip(values).forEach { (one, numbers) ->
      if (!numbers.all { it.isFinite() })
        throw ModelException(
          ModelException.Code.RUNTIME, "The output \"${one.name}\" holds NaN or infinity")
    }
    return values
  }

  @Synchronized
  override fun close() {
    if (closed) return
    closed = true
    (given.values + found.values).forEach { it.close() }
    model.close()
  }

  private fun write(buffer: TensorBuffer, tensor: Tensor, values: FloatArray) {
    if (tensor.type == "float32") return buffer.writeFloat(values)
    val whole = tensor.stored(values)
    when (tensor.type) {
      "int32" -> buffer.writeInt(IntArray(whole.size) { whole[it].toInt() })
      "int64" -> buffer.writeLong(whole)
      "bool" -> buffer.writeBoolean(BooleanArray(whole.size) { whole[it] != 0L })
      else -> buffer.writeInt8(ByteArray(whole.size) { whole[it].toByte() })
    }
  }

  private fun read(buffer: TensorBuffer, tensor: Tensor): FloatArray = when (tensor.type) {
    "float32" -> buffer.readFloat()
    "int32" -> buffer.readInt().let { found -> FloatArray(found.size) { found[it].toFloat() } }
    "int64" -> buffer.readLong().let { found -> FloatArray(found.size) { found[it].toFloat() } }
    "bool" -> buffer.readBoolean().let { found -> FloatArray(found.size) { if (found[it]) 1f else 0f } }
    "uint8" -> buffer.readInt8().let { found -> FloatArray(found.size) { (found[it].toInt() and 255).toFloat() } }
    else -> buffer.readInt8().let { found -> FloatArray(found.size) { found[it].toFloat() } }
  }
}
