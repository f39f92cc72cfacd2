package NAMESPACE

import java.text.Normalizer
import java.util.Locale
import kotlin.math.max
import kotlin.math.min

/** A piece around or of a text: a token of its own, or a whole text (`sequence` 0 or 1). */
internal class Piece(val token: Int, val sequence: Int, val type: Int)

/** How texts become tokens, as `tokenizer.json` and the contract have it. */
internal class Rules(
  val length: Int,
  val single: List<Piece>,
  val pair: List<Piece>,
  val added: Map<String, Int>,
  val unknown: String,
  val prefix: String,
  val longestWord: Int,
  val clean: Boolean,
  val chinese: Boolean,
  val stripAccents: Boolean,
  val lowercase: Boolean,
  val padId: Int,
  val padType: Int,
  val padLeft: Boolean,
  val cutLeft: Boolean,
)

/** Numbers of tokens: `ids`, `mask` and `types`, each of the contract's length. */
internal class Encoded(val ids: IntArray, val mask: IntArray, val types: IntArray)

/** BERT's tokenizer: words and marks, cut into the longest pieces of the vocabulary. */
internal class WordPiece(vocabulary: List<String>, private val rules: Rules) {
  private val numbers = HashMap<String, Int>(vocabulary.size * 2).also {
    vocabulary.forEachIndexed { number, token -> it.putIfAbsent(token, number) }
  }
  private val unknown = numbers.getValue(rules.unknown)
  private val added = rules.added.keys.sortedByDescending { it.length }

  /** Raises ModelException where the tokens around a text alone are too many. */
  fun encode(text: String, second: String? = null): Encoded {
    val pieces = if (second == null) rules.single else rules.pair
    val room = rules.length - pieces.count { it.token >= 0 }
    if (room < 0)
      throw ModelException(
        ModelException.Code.INPUT, "The length ${rules.length} has no room for a text")
    val texts = cut(tokens(text), second?.let(::tokens), room)
    val ids = pieces.flatMap { if (it.token >= 0) listOf(it.token) else texts[it.sequence] }
    val types = pieces.flatMap { piece ->
      List(if (piece.token >= 0) 1 else texts[piece.sequence].size) { piece.type }
    }
    return Encoded(
      padded(ids, rules.padId), padded(ids.map { 1 }, 0), padded(types, rules.padType))
  }

  private fun padded(row: List<Int>, fill: Int): IntArray {
    val missing = List(rules.length - row.size) { fill }
    return (if (rules.padLeft) missing + row else row + missing).toIntArray()
  }

  /** Tokens within `room`: of a pair, the longer one is cut. */
  private fun cut(one: List<Int>, two: List<Int>?, room: Int): List<List<Int>> {
    if (two == null) return listOf(kept(one, room))
    if (one.size + two.size <= room) return listOf(one, two)
    var short = min(one.size, two.size)
    var long = if (short > room) short else max(short, room - short)
    if (short + long > room) {
      short = room / 2
      long = short + room % 2
    }
    val (first, second) = if (one.size > two.size) long to short else short to long
    return listOf(kept(one, first), kept(two, second))
  }

  private fun kept(row: List<Int>, count: Int) =
    if (rules.cutLeft) row.takeLast(count) else row.take(count)

  /** Added tokens stand for themselves; what is between them is cut into words. */
  private fun tokens(text: String): List<Int> {
    val found = mutableListOf<Int>()
    var start = 0
    var at = 0
    while (at < text.length) {
      val token = added.firstOrNull { text.startsWith(it, at) }
      if (token == null) {
        at++
        continue
      }
      words(text.substring(start, at)).forEach { found += pieces(it) }
      found += rules.added.getValue(token)
      at += token.length
      start = at
    }
    words(text.substring(start)).forEach { found += pieces(it) }
    return found
  }

  private fun words(text: String): List<String> {
    val found = mutableListOf<String>()
    val word = StringBuilder()
    val end = { if (word.isNotEmpty()) { found += word.toString(); word.clear() } }
    for (point in points(normalized(text))) when {
      white(point) -> end()
      mark(point) -> { end(); found += String(Character.toChars(point)) }
      else -> word.appendCodePoint(point)
    }
    end()
    return found
  }

  private fun normalized(text: String): String {
    val clean = StringBuilder()
    for (point in points(text)) when {
      rules.clean && dropped(point) -> Unit
      rules.clean && white(point) -> clean.append(' ')
      rules.chinese && ideograph(point) -> clean.append(' ').appendCodePoint(point).append(' ')
      else -> clean.appendCodePoint(point)
    }
    val plain = if (rules.stripAccents) stripped(clean.toString()) else clean.toString()
    if (!rules.lowercase) return plain
    val low = StringBuilder() // by character: a final sigma is as any other
    for (point in points(plain))
      low.append(String(Character.toChars(point)).lowercase(Locale.ROOT))
    return low.toString()
  }

  private fun stripped(text: String): String {
    val found = StringBuilder()
    for (point in points(Normalizer.normalize(text, Normalizer.Form.NFD)))
      if (Character.getType(point) != Character.NON_SPACING_MARK.toInt()) found.appendCodePoint(point)
    return found.toString()
  }

  private fun pieces(word: String): List<Int> {
    if (word.codePointCount(0, word.length) > rules.longestWord) return listOf(unknown)
    val found = mutableListOf<Int>()
    var start = 0
    while (start < word.length) {
      var end = word.length
      var number: Int? = null
      while (end > start) {
        val part = word.substring(start, end)
        number = numbers[if (start > 0) rules.prefix + part else part]
        if (number != null) break
        end = word.offsetByCodePoints(end, -1)
      }
      found += number ?: return listOf(unknown)
      start = end
    }
    return found
  }

  private companion object {
    val IDEOGRAPHS = listOf(
      0x4E00..0x9FFF, 0x3400..0x4DBF, 0x20000..0x2A6DF, 0x2A700..0x2B73F,
      0x2B740..0x2B81F, 0x2B920..0x2CEAF, 0xF900..0xFAFF, 0x2F800..0x2FA1F,
    )
    val SPACES = setOf(0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
    val PUNCTUATION = setOf(
      Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
      Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION,
      Character.FINAL_QUOTE_PUNCTUATION, Character.OTHER_PUNCTUATION,
    )
    val OTHER = setOf(Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE)

    fun points(text: String) = buildList {
      var at = 0
      while (at < text.length) text.codePointAt(at).let { add(it); at += Character.charCount(it) }
    }
    fun ideograph(point: Int) = IDEOGRAPHS.any { point in it }
    fun white(point: Int) = point in 9..13 || point in SPACES || point in 0x2000..0x200A
    fun dropped(point: Int) = point == 0 || point == 0xFFFD ||
      (point != 9 && point != 10 && point != 13 && Character.getType(point).toByte() in OTHER)
    fun mark(point: Int) = (point in 33..126 && !Character.isLetterOrDigit(point)) ||
      Character.getType(point).toByte() in PUNCTUATION
  }
}
