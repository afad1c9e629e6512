/** Columns that by their name, or by their values, say what a law may not let decide on credit. */

const NAMES = [
  /^(age|dob|sex|gender|race|religion|creed|birth\w*|date_?of_?birth|year_?of_?birth|marital\w*|married|marriage|spouse|children|kids|dependents|dependants|nationality|national_origin|citizen\w*|foreign\w*|immigra\w*|migrant|ethnic\w*|disab\w*|handicap\w*|pregnan\w*|health|illness|genetic|native_?language|mother_?tongue|skin|colou?r|union_member|political\w*)$/,
  /^(alter|geschlecht|geburt\w*|familienstand|verheiratet|ledig|ehe(partner|gatte|stand)|kinder\w*|nationalit\w*|staatsangeh\w*|staatsb\w*|herkunft|ausl(ä|ae)nder\w*|religion\w*|konfession|kirchensteuer|behinder\w*|schwanger\w*|krank\w*|gesundheit\w*|ethnie|muttersprache|migrations\w*|anrede)$/,
];
/** Parts of names that mean nothing else, however they are joined. */
const ANYWHERE =
  /gender|marital|marriage|ethnic|nationality|religio|foreign_?worker|date_?of_?birth|birth_?(date|day|year)|personal_?status|geschlecht|familienstand|staatsangeh|geburts|性别|年龄|年纪|岁数|出生|生日|民族|种族|婚姻|婚否|已婚|配偶|子女|宗教|信仰|国籍|籍贯|户籍|残疾|健康|怀孕|政治面貌/i;

const VALUES =
  /^(m|f|w|male|female|man|woman|männlich|weiblich|divers|herr|frau|mr\.?|mrs\.?|ms\.?|男|女|男性|女性|single|married|divorced|widowed|separated|ledig|verheiratet|geschieden|verwitwet|未婚|已婚|离异|丧偶)$/i;

/** @param levels the categories of the column, if it has any */
export function isProtectedGround(name: string, levels: readonly string[] = []): boolean {
  if (ANYWHERE.test(name)) return true;
  const words = name
    .replaceAll(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '');
  const parts = [...words, ...words.slice(1).map((word, i) => `${words[i]!}_${word}`)];
  if (parts.some((part) => NAMES.some((pattern) => pattern.test(part)))) return true;
  const known = levels.filter((level) => VALUES.test(level.trim()));
  return known.length >= 2 && known.length >= levels.length - 1;
}
